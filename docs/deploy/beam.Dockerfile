# What the workers of a remote Beam runner run in; build it from the root of the repository.
#   docker build -f docs/deploy/beam.Dockerfile -t REGISTRY/auricle-beam:1 .
#   docker push REGISTRY/auricle-beam:1
# Name it in the workflow: run.beam.options.sdk_container_image for Dataflow, environment_config else.
FROM apache/beam_python3.10_sdk:2.74.0 AS beam

FROM python:3.10-slim-bookworm
WORKDIR /opt/auricle
COPY . .
RUN pip install --no-cache-dir uv \
    && uv venv .venv \
    && uv pip sync --require-hashes requirements.lock \
    && uv pip install --no-deps --no-build-isolation .
COPY --from=beam /opt/apache/beam /opt/apache/beam
# The workers' Python is that of the lock, without an environment of Beam's own around it.
ENV PATH=/opt/auricle/.venv/bin:$PATH \
    RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1
# libsndfile comes inside soundfile's wheel: fails here, and not in a worker, where it does not load.
RUN cd / && python -c "import soundfile, components.example_gen.transforms; print(soundfile.__libsndfile_version__)"
ENTRYPOINT ["/opt/apache/beam/boot"]
