# SPDX-License-Identifier: Apache-2.0
"""build/demo behind its packages: builds the module, plays the story, leaves it running or not."""
import os
import shlex
import signal
import sys
import time

import stage
from builder import Builder
from screen import Screen, wants_colour

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def main(word):
    """`word`: stay, --once, stop, or check, which fails when a demo runs already."""
    if word == "stop":
        print("stopped" if stage.stop() else "nothing is running")
        return 0
    if word != "--once" and stage.running():
        return _runs_already(stage.running())
    if word == "check":
        return 0
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    return _play(stay=word == "stay")


class Interrupted(Exception):
    """Ctrl-C, or a signal that means the same."""


def _interrupted(number, _):
    raise Interrupted(number)


def _play(stay):
    begin = float(os.environ.get("EAS_DEMO_BEGAN") or time.time())
    screen = Screen(wants_colour())
    folder = os.path.abspath(os.environ.get("CBA_DEMO_DIR") or TOP + "/_demo")
    module = Builder(TOP, folder, screen).build()
    claimed = stage.claim() if stay else None
    theatre = stage.Stage(module, screen.colour)
    left = False
    try:
        theatre.start()
        if stay:
            theatre.note()
        report = theatre.follow()
        if report is None:
            screen.plain("\nbuild/demo: it ended before its story did")
            return 1
        _verdict(screen, report, time.time() - begin)
        if stay:
            state = theatre.note(**report)
            _without_interruption()
            theatre.stay()
            left = True
            _closing(screen, state)
        return 1 if report["differed"] else 0
    finally:
        _without_interruption()
        if not left:
            theatre.end()
            if stay:
                stage.stop()
        if claimed is not None:
            os.close(claimed)


def _without_interruption():
    """From here on only the end is in sight, and a second Ctrl-C must not leave half of it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _runs_already(state):
    print("build/demo runs already (process %d)" % state["pid"])
    if "inside" in state:
        _closing(Screen(wants_colour()), state)
    else:
        print("to stop it: %s stop" % shlex.quote(TOP + "/build/demo"))
    return 1


def _verdict(screen, report, seconds):
    differed = report["differed"]
    text = "%d steps, " % report["steps"]
    text += "%d differed" % differed if differed else "all as expected"
    screen.plain()
    screen.plain("%s; %.0f s altogether" % (screen.paint("bad" if differed else "good", text),
                                            seconds))


def _closing(screen, state):
    """How to go on by hand."""
    enter = "nsenter -t %d -m -n -r" % state["inside"]
    url = state["url"]
    curl = "%s curl -s --noproxy '*' --cacert %s/ca.pem \\\n    --cert %s/alice.pem" % (
        enter, state["folder"], state["folder"])
    screen.heading("It keeps running. By hand, as root:")
    screen.plain()
    screen.plain("%s -i -X OPTIONS %s" % (curl, url))
    screen.plain()
    screen.plain("%s -H 'Content-Type: application/vnd.ms-sync.wbxml' \\\n"
                 "    --data-binary @%s/foldersync.wbxml \\\n    '%s?%s' \\\n"
                 "    | wbxml2xml -l ACTIVESYNC -o - -" % (curl, state["folder"], url,
                                                           state["query"]))
    screen.plain()
    screen.line("other phones", " ".join(state["phones"]))
    for label, path in state["logs"]:
        screen.line(label, "%s/files/%s" % (stage.STATE, path))
    screen.line("a shell there", enter + " -p bash")
    screen.line("to stop it", shlex.quote(TOP + "/build/demo") + " stop")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1]))
    except Interrupted as interrupted:
        print("\nbuild/demo: interrupted; nothing is left running", flush=True)
        sys.exit(128 + interrupted.args[0])
    except BrokenPipeError:         # nobody reads on: all is taken down, as for Ctrl-C
        os._exit(128 + signal.SIGPIPE)
