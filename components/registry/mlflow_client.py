"""MLflow's client, as far as a command may wait for it, and whatever a server answers."""

from collections.abc import Callable
from typing import cast

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from components.registry.deadline import Deadline
from schemas.errors import RegistryError


def bounded_client(uri: str, deadline: Deadline | None) -> MlflowClient:
    """A client that asks nothing more once the deadline has passed. A RegistryError names an answer
    that MLflow itself stumbles over.
    """
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    return cast(MlflowClient, _Bounded(client, uri, deadline))


class _Bounded:
    def __init__(self, client: MlflowClient, uri: str, deadline: Deadline | None) -> None:
        self._client, self._uri, self._deadline = client, uri, deadline

    def __getattr__(self, name: str) -> Callable[..., object]:
        ask = getattr(self._client, name)

        def bounded(*arguments: object, **named: object) -> object:
            if self._deadline is not None:
                self._deadline.check()
            try:
                return ask(*arguments, **named)
            except (MlflowException, SQLAlchemyError, OSError):
                raise
            except Exception as error:
                # MLflow takes answers apart without a look at them.
                what = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
                raise RegistryError(
                    f"the registry {self._uri} answers what no MLflow does: {what}"
                ) from error

        return bounded
