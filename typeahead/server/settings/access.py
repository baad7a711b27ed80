"""Where the server listens, who may connect, and which names it answers to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Final

from typeahead.server.access.signing import KeyRing, SigningError
from typeahead.server.process.addresses import read_networks
from typeahead.server.settings.origins import LOOPBACK_NAMES, host_name, is_bare_host, is_loopback, parse_origin
from typeahead.settings.declaring import ConfigError, Group, setting
from typeahead.settings.tokens import TOKENS

ADDRESS: Final = Group("address")
ACCESS: Final = Group("access")

#: Tokens that are compared as they are.
_PLAIN: Final = ("token", "operator_token", "write_token")
_MODE: Final = re.compile("[0-7]{3}")


@dataclass(frozen=True, kw_only=True)
class Access:
    """Settings of the address and of access, with the decisions that follow from nothing else."""

    host: str = setting(
        "127.0.0.1",
        "Address to listen on. localhost is 127.0.0.1 and ::1, 0.0.0.0 is every IPv4 address of this machine, and :: "
        "is every address.",
        group=ADDRESS,
        metavar="ADDRESS",
    )
    port: int = setting(8765, "Port to listen on. 0 takes a free one.", group=ADDRESS, least=0, most=65535)
    share_port: bool = setting(
        False,
        "Share the port with another server of this user that also shares it. New connections go to both until one "
        "stops, so use it for upgrades only. Otherwise a port in use is refused.",
        group=ADDRESS,
    )
    socket: Path | None = setting(  # noqa: RUF009 - it makes a field, not a default
        None,
        "Unix socket to listen on instead of host and port, for a proxy on this machine. Its X-Forwarded-For or "
        "Forwarded header is believed. A file that a killed server left there is replaced. With share_port the file of "
        "a running server is, too.",
        group=ADDRESS,
        metavar="PATH",
    )
    socket_mode: str = setting(
        "660",
        "Permissions of the unix socket, in octal. Who may write to it may connect.",
        group=ADDRESS,
        metavar="MODE",
    )
    web: Path | None = setting(  # noqa: RUF009 - it makes a field, not a default
        None,
        "Folder of the pages at /. Unset serves the pages that come with the package.",
        group=ADDRESS,
        given_by="code",
    )

    allowed_origins: tuple[str, ...] = setting(
        (),
        "Origin such as https://example.org whose pages may connect, besides the server's own pages. * allows every "
        "origin. Requests without an Origin header do not come from a page and are let through.",
        group=ACCESS,
        flag="allowed-origin",
        metavar="ORIGIN",
    )
    # On a loopback address a page whose name was made to point here (DNS rebinding) is of its own origin: only the name
    # in the Host header gives it away.
    allowed_hosts: tuple[str, ...] = setting(
        (),
        "Host name, without a port, that requests may use besides the server's own names: localhost, its address, and "
        "the hosts of the allowed origins. Name the public host here if a proxy passes it on. A server that listens on "
        "a public address accepts every name unless some are given.",
        group=ACCESS,
        flag="allowed-host",
        metavar="NAME",
    )
    token: str | None = setting(
        None,
        "Bearer token that clients must send to type, search and embed.",
        group=TOKENS,
        given_by="environment",
    )
    operator_token: str | None = setting(
        None,
        "Bearer token that opens metrics, dashboard and exact timings, and everything that the clients' token opens. "
        "Without it the clients' token opens metrics and dashboard. A public server without any token keeps them shut.",
        group=TOKENS,
        given_by="environment",
    )
    write_token: str | None = setting(
        None,
        "Bearer token that opens writes: to add, replace, read and delete documents. Without it and without "
        "signing_keys the server takes no writes.",
        group=TOKENS,
        given_by="environment",
    )
    signing_keys: str | None = setting(
        None,
        "Keys that sign tokens with rights, a filter and an expiry, as kid:secret,kid:secret. A secret has at least 32 "
        "bytes. typeahead token makes such tokens, signed by the first key. With signing keys nobody gets in without a "
        "token.",
        group=TOKENS,
        given_by="environment",
    )
    revoked: Path | None = setting(  # noqa: RUF009 - it makes a field, not a default
        None,
        "File that names the signed tokens that were revoked, by their jti, one a line. It is read again when it "
        "changes.",
        group=TOKENS,
        metavar="FILE",
    )
    trusted_proxies: tuple[str, ...] = setting(
        (),
        "Address or network of a proxy whose X-Forwarded-For or Forwarded header is believed.",
        group=ACCESS,
        flag="trusted-proxy",
        metavar="ADDRESS",
    )
    shared_cache: bool = setting(
        False,
        "Let everyone who has the token share one cache of typed texts. This saves encoder steps when many people type "
        "the same, but each can find out from reply times what the others typed.",
        group=ACCESS,
    )
    timings: bool = setting(
        False,
        "Tell every client, not only operators, how long each stage of a reply took.",
        group=ACCESS,
    )

    def check_access(self) -> None:
        """Raise :class:`ConfigError` for names that are not valid, and for settings that contradict each other."""
        if not self.host:
            raise ConfigError("host", "is empty: give an address to listen on, such as 127.0.0.1")
        if not _MODE.fullmatch(self.socket_mode):
            raise ConfigError("socket_mode", f"is {self.socket_mode!r}: give three octal digits, such as 660")
        if self.socket is not None and not is_loopback(self.host):
            raise ConfigError("socket", "is instead of a host and a port: leave host out", others=("host",))
        self._check_names()
        self._check_tokens()

    def _check_names(self) -> None:
        try:
            read_networks(self.trusted_proxies)
        except ValueError as error:
            raise ConfigError("trusted_proxies", f"needs addresses or networks: {error}") from None
        for origin in self.allowed_origins:
            if origin != "*" and parse_origin(origin) is None:
                raise ConfigError(
                    "allowed_origins", f"holds {origin!r}: an origin is scheme://host[:port] without a path, or *"
                )
        for name in self.allowed_hosts:
            if not is_bare_host(name):
                raise ConfigError(
                    "allowed_hosts", f"holds {name!r}: give a name or an address without a port, such as example.org"
                )

    def _check_tokens(self) -> None:
        for name in _PLAIN:
            token = getattr(self, name)
            if token is not None and (not token or not token.isascii() or not token.isprintable()):
                raise ConfigError(name, "must be printable ASCII and not empty: it is sent in an HTTP header")
        for first, second in combinations(_PLAIN, 2):
            if getattr(self, first) is not None and getattr(self, first) == getattr(self, second):
                raise ConfigError(second, f"is the same as {first}: make another one", others=(first,))
        if self.signing_keys is not None:
            try:
                KeyRing.read(self.signing_keys)
            except SigningError as error:
                raise ConfigError("signing_keys", f"cannot be used: {error}") from None
        if self.revoked is not None and self.signing_keys is None:
            raise ConfigError(
                "revoked", "names signed tokens, but there are no signing_keys: set them, or leave it out"
            )
        if self.shared_cache and self.signing_keys is not None:
            raise ConfigError("shared_cache", "is for people who trust each other: those with signed tokens may not")
        if self.shared_cache and self.token is None:
            raise ConfigError("shared_cache", "is for people who trust each other: set a token, or turn it off")

    @property
    def public(self) -> bool:
        """Whether people on other machines may reach the server, by its address or through a proxy."""
        return bool(self.allowed_hosts or self.allowed_origins) or not is_loopback(self.host)

    @property
    def writes(self) -> bool:
        """Whether there can be tokens with the right to write."""
        return self.write_token is not None or self.signing_keys is not None

    @property
    def exposed(self) -> bool:
        """Whether other machines reach the server by its address without a token."""
        return self.token is None and self.signing_keys is None and not is_loopback(self.host)

    def allows_host(self, host: str | None) -> bool:
        """Whether a request with this Host header is meant for this server, whoever sent it."""
        if "*" in self.allowed_origins or not (self.allowed_hosts or is_loopback(self.host)):
            return True
        name = None if host is None else host_name(host)
        if name is None:
            return False
        origins = (parse_origin(origin) for origin in self.allowed_origins)
        return (
            name in LOOPBACK_NAMES
            or name == self.host.lower()
            or any(name == host_name(allowed) for allowed in self.allowed_hosts)
            or any(origin is not None and name == origin[1] for origin in origins)
        )

    def allows(self, origin: str | None, host: str | None) -> bool:
        """Whether a request with these Origin and Host headers may be served.

        Behind a proxy that ends TLS the server does not know the scheme, so the same host and port count as the same
        origin.
        """
        if origin is None or "*" in self.allowed_origins:
            return True
        parsed = parse_origin(origin)
        if parsed is None:
            return False
        if any(parsed == parse_origin(allowed) for allowed in self.allowed_origins):
            return True
        scheme = parsed[0]
        return host is not None and parsed == parse_origin(f"{scheme}://{host}") and self.allows_host(host)

    def own(self, origin: str | None, host: str | None) -> bool:
        """Whether a request comes from this server's own pages or from no page, whatever other origins are allowed."""
        if origin is None:
            return True
        parsed = parse_origin(origin)
        return parsed is not None and host is not None and parsed == parse_origin(f"{parsed[0]}://{host}")
