"""The gRPC server beside HTTP: in the same process, on the same event loop, for the same door."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from critic_service.door import Door
from critic_service.errors import as_critic_error, status_of
from critic_service.headers import request_id_of
from critic_service.keys import CALLER
from critic_service.rpc.arrival import Context, headers_of, refuse
from critic_service.rpc.health import DoorHealth
from critic_service.rpc.servicer import SERVICE, Servicer
from critic_service.settings import Settings, SettingsError

logger = logging.getLogger(__name__)

HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
MAX_CALLS = 1_024
MAX_CALLS_PER_CONNECTION = 256
# Answers that are finished are still on their way when everything that was admitted is done.
LAST_ANSWERS_S = 1.0


class RpcServer:
    """Listen for gRPC as long as a door is open.

    Args:
        door: its settings say where; it must have been opened.
    """

    def __init__(self, door: Door) -> None:
        self._door = door
        self._health = DoorHealth(door, (SERVICE,))
        self._server = grpc.aio.server(
            interceptors=(_Gate(door),),
            maximum_concurrent_rpcs=MAX_CALLS,
            options=(
                ("grpc.max_receive_message_length", door.settings.max_body_bytes),
                ("grpc.max_send_message_length", -1),
                ("grpc.max_concurrent_streams", MAX_CALLS_PER_CONNECTION),
                # A port that somebody else has is to be an error, not one that is shared.
                ("grpc.so_reuseport", 0),
            ),
        )
        self._server.add_generic_rpc_handlers((Servicer(door).handler(),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(
            (SERVICE, HEALTH, reflection.SERVICE_NAME), self._server
        )

    async def start(self) -> int:
        """Begin to listen, and return the port.

        Raises:
            SettingsError: the address or the certificate cannot be used.
        """
        settings = self._door.settings
        host = settings.grpc_host
        address = f"{f'[{host}]' if ':' in host else host}:{settings.grpc_port or 0}"
        try:
            if settings.grpc_tls_cert is None:
                port = self._server.add_insecure_port(address)
            else:
                port = self._server.add_secure_port(address, _credentials(settings))
        except RuntimeError as error:
            how = "" if settings.grpc_tls_cert is None else " with this certificate and key"
            raise SettingsError(f"gRPC cannot listen on {address}{how}: {error}") from None
        await self._server.start()
        logger.info("gRPC listens on %s port %d", host, port)
        return port

    async def stop(self) -> None:
        """Close the port and end what is left; the door must be closed already."""
        self._health.close()
        await self._server.stop(LAST_ANSWERS_S)


class _Gate(grpc.aio.ServerInterceptor):
    """Ask for the key before a message is read, as the guard does over HTTP; not of probes."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        if not handler_call_details.method.startswith(f"/{HEALTH}/"):
            headers = headers_of(handler_call_details.invocation_metadata)
            try:
                CALLER.set(self._door.keys.admit(headers))
            except Exception as error:
                return self._refusing(error, request_id_of(headers))
        return await continuation(handler_call_details)

    def _refusing(self, error: Exception, request_id: str) -> grpc.RpcMethodHandler:
        found = as_critic_error(error)

        async def deny(messages: object, context: Context) -> None:
            self._door.metrics.on_request("grpc_refused", status_of(found), 0.0)
            await refuse(self._door, context, found, request_id)

        return grpc.stream_stream_rpc_method_handler(deny)


def _credentials(settings: Settings) -> grpc.ServerCredentials:
    pair = (_read("grpc_tls_key", settings), _read("grpc_tls_cert", settings))
    if settings.grpc_tls_client_ca is None:
        return grpc.ssl_server_credentials([pair])
    signers = _read("grpc_tls_client_ca", settings)
    return grpc.ssl_server_credentials([pair], signers, require_client_auth=True)


def _read(name: str, settings: Settings) -> bytes:
    path = Path(getattr(settings, name))
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{name} cannot be read: {error}") from None
