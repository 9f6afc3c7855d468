"""Asks a relay on loopback for pages, as JSON lines: `fetch.py PORT METHOD PATH [METHOD PATH ...]`."""

import asyncio
import json
import ssl
import sys

from qh3.asyncio.client import connect
from qh3.asyncio.protocol import QuicConnectionProtocol
from qh3.h3.connection import H3_ALPN, H3Connection
from qh3.h3.events import DataReceived, HeadersReceived
from qh3.quic.configuration import QuicConfiguration


class Visitor(QuicConnectionProtocol):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.http = H3Connection(self._quic)
        self.waiting = {}

    def quic_event_received(self, event):
        for answer in self.http.handle_event(event):
            if not isinstance(answer, (DataReceived, HeadersReceived)):
                continue
            done, headers, body = self.waiting[answer.stream_id]
            if isinstance(answer, HeadersReceived):
                headers.extend(answer.headers)
            else:
                body.extend(answer.data)
            if answer.stream_ended and not done.done():
                done.set_result((headers, bytes(body)))

    async def ask(self, method, path):
        stream = self._quic.get_next_available_stream_id()
        done = asyncio.get_running_loop().create_future()
        self.waiting[stream] = (done, [], bytearray())
        head = [(b":method", method), (b":scheme", b"https"), (b":authority", b"localhost"), (b":path", path)]
        self.http.send_headers(stream, head, end_stream=True)
        self.transmit()
        return await asyncio.wait_for(done, 20)


async def main(port, asked):
    settings = QuicConfiguration(
        is_client=True, alpn_protocols=H3_ALPN, verify_mode=ssl.CERT_NONE, server_name="localhost"
    )
    async with connect("127.0.0.1", port, configuration=settings, create_protocol=Visitor) as visitor:
        for method, path in zip(asked[::2], asked[1::2]):
            headers, body = await visitor.ask(method.encode(), path.encode())
            names = sorted(name.decode() for name, _ in headers)
            status = int(dict(headers)[b":status"])
            print(json.dumps({"status": status, "headers": names, "body": body.decode()}), flush=True)


asyncio.run(main(int(sys.argv[1]), sys.argv[2:]))
