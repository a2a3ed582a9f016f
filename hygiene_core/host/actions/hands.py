"""What the actions work with: one Engine, asked anew for each call and within a deadline of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from hygiene_core.errors import EngineProtocol, EngineTimeout, EngineUnreachable
from hygiene_core.host.deadline import Deadline
from hygiene_core.host.engine import EngineClient
from hygiene_core.host.mask import mask_text

if TYPE_CHECKING:
    from docker import APIClient

__all__ = ["Hands"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """One Engine. `api_version` is what was negotiated; `call_limit` the longest that one call may take."""

    socket_path: str
    api_version: str
    call_limit: timedelta = timedelta(minutes=5)

    def reader(self) -> EngineClient:
        """A client for reads, with a deadline from now. To be closed."""
        return EngineClient(self.socket_path, Deadline.after(self.call_limit), self.api_version)

    def mutator(self) -> APIClient:
        """docker-py for one removal, bound to this socket: never to a context of the environment.

        Its timeout is for each read; a removal answers in one, so that it bounds the call.
        """
        from docker import APIClient  # noqa: PLC0415 - heavy, and only a run that removes needs it

        return APIClient(
            base_url=f"unix://{self.socket_path}",
            version=self.api_version,
            timeout=max(1, int(self.call_limit.total_seconds())),
        )

    def post(self, path: str, params: dict[str, Any]) -> dict[str, Any]:
        """The JSON object that the Engine answers to a POST.

        Raises:
            EngineTimeout: no answer came in time; what happened is not known.
            EngineUnreachable: the connection broke; what happened is not known.
            EngineProtocol: the Engine refused, or answered something else.
        """
        from docker.errors import DockerException  # noqa: PLC0415 - as in `mutator`
        from requests.exceptions import RequestException, Timeout  # noqa: PLC0415 - docker-py's own

        try:
            client = self.mutator()
        except DockerException as error:
            raise EngineUnreachable(f"{self.socket_path} cannot be asked: {mask_text(str(error))}") from error
        seconds = self.call_limit.total_seconds()
        try:
            # docker-py is a requests session; its own method for this call knows none of these parameters.
            url = f"{client.base_url}/v{self.api_version}{path}"
            answer = client.post(url, params=params, timeout=seconds)
        except Timeout as error:
            raise EngineTimeout(f"POST {path} did not end within {seconds:g} s.") from error
        except RequestException as error:
            # Also a read that timed out in the middle of an answer.
            raise EngineUnreachable(f"The Engine went away while answering POST {path}.") from error
        finally:
            client.close()
        if not answer.ok:
            said = mask_text(answer.text[:200])
            raise EngineProtocol(f"The Engine refused POST {path}: {said}", http_status=answer.status_code)
        try:
            value = answer.json()
        except RequestException as error:
            raise EngineProtocol(f"The answer to POST {path} is no JSON.") from error
        if not isinstance(value, dict):
            raise EngineProtocol(f"The answer to POST {path} is no JSON object.")
        return value
