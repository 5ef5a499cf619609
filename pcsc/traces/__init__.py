"""The decision trace: why an act was allowed, or not, in a form from which the decision can be made again.

trace      the trace itself, a function for each decision that makes one, its replay, and what the other Party may see
deciding   each decision from its inputs alone, by the rules of the agreement
facts      the values of the agreement as JSON inputs, and back
wording    a trace in English and in Japanese, line by line
terms      every coded value in both languages
"""

from pcsc.traces.deciding import Decision, TraceError, View
from pcsc.traces.trace import (
    RulesChangedError,
    Trace,
    ViewChangedError,
    ViewNow,
    admission,
    decide,
    deletion,
    provision_without_request,
    read,
    redacted,
    refusal,
    release,
    replay,
    reply,
    request,
    use,
    view,
)

__all__ = [
    "Decision",
    "RulesChangedError",
    "Trace",
    "TraceError",
    "View",
    "ViewChangedError",
    "ViewNow",
    "admission",
    "decide",
    "deletion",
    "provision_without_request",
    "read",
    "redacted",
    "refusal",
    "release",
    "replay",
    "reply",
    "request",
    "use",
    "view",
]
