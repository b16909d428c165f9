#!/usr/bin/env python3
"""Puts entries into a log that is served over HTTP, and reads it.

usage: log.py send ADDR KEY TEXT | log.py follow ADDR FROM COUNT
"""

import http.client
import json
import os
import sys
import time

HEADERS = {"Authorization": "Bearer " + os.environ["TOKEN"]} if "TOKEN" in os.environ else {}
LATER = (429, 503)  # there is no room, or the member stops


def send(addr, key, text):
    """Puts an entry in and returns where it is. The key makes a retry harmless."""
    while True:
        connection = http.client.HTTPConnection(addr, timeout=60)
        try:
            headers = {**HEADERS, "Idempotency-Key": key}
            connection.request("POST", "/v1/entries?until=settled", text.encode(), headers)
            response = connection.getresponse()
            answer = json.load(response)
            if response.status == 201:
                return answer
            if response.status not in LATER:
                raise SystemExit(f"{addr} answers {response.status}: {answer['error']}")
        except (OSError, http.client.HTTPException, ValueError):
            pass  # nobody knows whether the entry is in the log
        finally:
            connection.close()
        time.sleep(1)


def follow(addr, start, count):
    """Yields entries from a position on, and goes on where it was after anything."""
    position = start
    while position < start + count:
        connection = http.client.HTTPConnection(addr, timeout=60)
        try:
            path = f"/v1/entries?follow=true&from={position}&limit={start + count - position}"
            connection.request("GET", path, headers=HEADERS)
            for line in connection.getresponse():
                entry = json.loads(line)
                if "error" in entry:
                    break  # the reason why there is no more
                yield entry
                position = entry["position"] + 1
        except (OSError, http.client.HTTPException, ValueError):
            pass  # the last line may not be whole
        finally:
            connection.close()
        if position < start + count:
            time.sleep(1)


def main(args):
    """Runs one command."""
    if len(args) == 4 and args[0] == "send":
        print(json.dumps(send(*args[1:])))
    elif len(args) == 4 and args[0] == "follow":
        for entry in follow(args[1], int(args[2]), int(args[3])):
            print(json.dumps(entry), flush=True)
    else:
        raise SystemExit(__doc__)


main(sys.argv[1:])
