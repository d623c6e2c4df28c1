"""Beam's own portable job service, as a process, over several worker pools and with the retries of
a cluster: `python job_service.py PORT_FILE HOST POOL...`.

What `local_job_service_main` starts runs every job on one worker and ends it when that is lost.
Here a job gets a worker of each pool in turn, and a bundle whose worker was lost is done again by
another one; what came of it before is dropped. On SIGUSR1 the bundles that are being done are held
to take too long, and are done again elsewhere, too. Their workers are not stopped, as no cluster
can be sure to.
"""

import itertools
import logging
import signal
import sys
import threading
from pathlib import Path

import grpc
from apache_beam.portability.api import (
    beam_fn_api_pb2,
    beam_fn_api_pb2_grpc,
    beam_job_api_pb2,
)
from apache_beam.runners.portability import local_job_service
from apache_beam.runners.portability.fn_api_runner import fn_runner, worker_handlers

_ATTEMPTS = 4
_LOG = logging.getLogger(__name__)
_Bundles = fn_runner.BundleManager


class _Pools(beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolServicer):
    """One address in front of several worker pools."""

    def __init__(self, pools):
        stub = beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolStub
        self._pools = itertools.cycle([stub(grpc.insecure_channel(pool)) for pool in pools])

    def StartWorker(self, request, context):  # noqa: N802
        return next(self._pools).StartWorker(request)

    def StopWorker(self, request, context):  # noqa: N802
        return beam_fn_api_pb2.StopWorkerResponse()


class _Connection(worker_handlers.ControlConnection):
    """Says so when its worker is lost, where Beam's waits for ever."""

    def __init__(self):
        super().__init__()
        self._lost = threading.Event()

    def is_lost(self):
        return self._lost.is_set()

    def push(self, request):
        future = super().push(request)
        if future is not None and self.is_lost():
            future.set(beam_fn_api_pb2.InstructionResponse(error="lost the worker"))
        return future

    def _read(self):
        why = "its connection ended"  # as a killed one's may, without an error
        try:
            super()._read()
        except Exception as error:
            why = str(error)
        self.lose(f"lost the worker: {why}")

    def lose(self, why):
        _LOG.warning("LOST %s", why)
        self._lost.set()
        for future in list(self._futures_by_id.values()):
            future.set(beam_fn_api_pb2.InstructionResponse(error=why))
        self._futures_by_id = {}


class _Attempt:
    """A bundle's context that has only workers which live, and keeps what is put out."""

    def __init__(self, context):
        self._context = context
        self._held = {}
        self.worker_handlers = [
            handler for handler in context.worker_handlers if not handler.control_conn.is_lost()
        ]

    def __getattr__(self, name):
        return getattr(self._context, name)

    def get_buffer(self, buffer_id, transform_id):
        return self._held.setdefault((buffer_id, transform_id), [])

    def commit(self):
        for place, output in self._held.items():
            buffer = self._context.get_buffer(*place)
            for each in output:
                buffer.append(each)


_begun = set()


class _RetriedBundles(_Bundles):
    def process_bundle(self, *given, **named):
        context = self.bundle_context_manager
        for attempt in itertools.count(1):
            self.bundle_context_manager = _Attempt(context)
            try:
                done = super().process_bundle(*given, **named)
            except Exception as error:
                if attempt == _ATTEMPTS or not self._is_retried(error):
                    raise
                _LOG.warning("RETRIED: %s", str(error)[:200])
                continue
            finally:
                _begun.discard(self)
                _LOG.info("ENDED %s", self._worker_handler.worker_id)
            with _Bundles._lock:
                self.bundle_context_manager.commit()
            return done
        raise AssertionError

    def _is_retried(self, error):
        if "Channel closed" in str(error):  # the one for data, which is often the first to tell
            self._worker_handler.control_conn.lose("lost the worker")
        return self._worker_handler.control_conn.is_lost()

    def _select_split_manager(self):
        """Called when a worker has been chosen."""
        _begun.add(self)
        _LOG.info("BEGUN %s", self._worker_handler.worker_id)
        return super()._select_split_manager()

    def give_up(self):
        self._worker_handler.control_conn.lose("the bundle takes too long")


class _Job(local_job_service.BeamJob):
    workers = 1

    def _invoke_runner(self):
        self.set_state(beam_job_api_pb2.JobState.RUNNING)
        runner = fn_runner.FnApiRunner(provision_info=self._provision_info)
        runner._num_workers = self.workers
        return runner.run_via_runner_api(self._pipeline_proto, self.pipeline_options())


class _Service(local_job_service.LocalJobServicer):
    def __init__(self, host):
        super().__init__(beam_job_type=_Job)
        self._host = host

    def get_bind_address(self):
        return "[::]"

    def get_service_address(self):
        return self._host


def main(port_file, host, *pools):
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})  # in threads begun later, too
    fn_runner.BundleManager = _RetriedBundles
    worker_handlers.ControlConnection = _Connection
    worker_handlers.ExternalWorkerHandler.host_from_worker = lambda self: host
    _Job.workers = len(pools)
    balancer = grpc.server(worker_handlers.thread_pool_executor.shared_unbounded_instance())
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(_Pools(pools), balancer)
    ports = [_Service(host).start_grpc_server(), balancer.add_insecure_port("[::]:0")]
    balancer.start()
    unfinished = Path(f"{port_file}.unfinished")
    unfinished.write_text(" ".join(map(str, ports)))
    unfinished.rename(port_file)
    while True:
        signal.sigwait({signal.SIGUSR1})
        for bundle in list(_begun):
            bundle.give_up()


if __name__ == "__main__":
    main(*sys.argv[1:])
