"""The load tool's ceiling: an ASGI callable that reads the body and answers the same bytes each time.

Nobody would ship this. It is measured to see that the tool could send several times what the contenders can take.
"""

from typing import Any

import msgspec

from benchmarks.echo import BLANK

BODY = msgspec.json.encode(BLANK)
START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))],
}
END = {"type": "http.response.body", "body": BODY}


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send(START)
    await send(END)
