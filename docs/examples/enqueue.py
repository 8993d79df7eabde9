"""Standard library only. FLEET_URL and FLEET_API_KEY are set."""
import json
import os
import time
import urllib.error
import urllib.request

URL = os.environ["FLEET_URL"]
HEADERS = {"Authorization": "Bearer " + os.environ["FLEET_API_KEY"], "Content-Type": "application/json"}


def call(method, path, body=None, headers={}, tries=5):
    """The open reply. Comes back when the fleet says that a later try may succeed."""
    data = None if body is None else json.dumps(body).encode()
    for left in reversed(range(tries)):
        request = urllib.request.Request(URL + path, data, {**HEADERS, **headers}, method=method)
        try:
            return urllib.request.urlopen(request, timeout=90)
        except urllib.error.HTTPError as error:
            problem = json.load(error)  # RFC 9457: code, detail, retryable, requestId
            if not problem["retryable"] or left == 0:
                raise RuntimeError(f"{problem['code']}: {problem['detail']} ({problem['requestId']})") from error
            time.sleep(float(error.headers.get("Retry-After", "2")))


def events(job_id):
    """Every event once and in order, over any number of broken connections."""
    seq = 0
    while True:
        try:
            with call("GET", f"/v1/jobs/{job_id}/events?after={seq}") as stream:
                if stream.status == 204:  # the last event is behind us
                    return
                for line in stream:
                    if line.startswith(b"data: "):
                        event = json.loads(line[6:])
                        seq = event["seq"]
                        yield event
                        if event["type"] in ("completed", "failed", "cancelled"):
                            return
        except (ConnectionError, TimeoutError, urllib.error.URLError):
            time.sleep(1)


job = json.load(call("POST", "/v1/jobs", {"prompt": "Say hello"}, {"Idempotency-Key": "order-4711-python"}))
for event in events(job["id"]):
    if event["type"] == "text":
        print(event["text"], end="", flush=True)
print()

ended = json.load(call("GET", f"/v1/jobs/{job['id']}/result?wait=60"))
if ended["state"] == "completed":
    print(ended["result"]["numTurns"], "turn(s)")
else:
    print(ended["state"], ended.get("error"))

print(json.load(call("DELETE", f"/v1/jobs/{job['id']}"))["state"])
