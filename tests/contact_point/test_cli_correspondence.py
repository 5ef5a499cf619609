"""`pcsc` beside the exchanges, between two contact points that answer: Articles 4(6), 6, 7, 8(5)-(7), 9, 10, 14 and 15(4)."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from annex.parameters import Party
from contact_point import cli, installation, main, settings
from contact_point.demonstration import designate
from contact_point.installation import Plan
from contact_point.querying import open_query
from pcsc.agreement import Termination
from pcsc.messages import Search

from .parties import Parties, free_port, justification

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from contact_point.prints import PrintReader

    from .parties import Finger

    Run = Callable[..., tuple[int, str]]

REASON = "The owner of a shop in Osaka was warned of a robbery by the two persons who made one in March."
WRONG_USAGE = 2


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, reader: PrintReader) -> Iterator[Parties]:
    """Return two contact points that know each other and answer, for all tests of this file."""
    root = tmp_path_factory.mktemp("both")
    for party in Party:
        plan = Plan(party, f"contact point of {party}", "127.0.0.1", free_port(), threads=1)
        installation.create(root / party, plan, main.clock())
    for party in Party:
        card = (root / party.other / "card.json").read_text(encoding="utf-8")
        designate(settings.read(root / party), card, "note verbale of 2019-01-05")
    with ExitStack() as stack:
        jp, us = (replace(stack.enter_context(main.opened(root / party)), reader=reader) for party in Party)
        parties = Parties(jp, us, reader)
        for party in Party:
            stack.enter_context(parties.answering(party))
        yield parties


@dataclass(frozen=True, slots=True)
class Commands:
    """`pcsc` at the contact points of both Parties."""

    run: Run
    both: Parties

    def act(self, party: Party, *arguments: object) -> Any:
        """Run a command and return its JSON."""
        return json.loads(self._ended(0, party, *arguments, "--json"))

    def says(self, party: Party, *arguments: object) -> str:
        """Run a command and return what it says to a person."""
        return self._ended(0, party, *arguments)

    def refuses(self, party: Party, *arguments: object) -> str:
        """Run a command that the agreement does not allow and return why not."""
        return self._ended(cli.REFUSED, party, *arguments)

    def misused(self, *arguments: object) -> str:
        """Run a command with wrong arguments and return what it says of them."""
        return self._ended(WRONG_USAGE, Party.JP, *arguments)

    def _ended(self, expected: int, party: Party, *arguments: object) -> str:
        code, said = self.run(*arguments, "--dir", self.both.of(party).settings.folder.root)
        assert code == expected, said
        return said

    def duties(self, party: Party, number: str) -> list[str]:
        """Return what waits in an exchange."""
        rows = self.act(party, "inbox", "--all")
        return [duty["what"] for row in rows if row["exchange"] == number for duty in row["duties"]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs `pcsc` with arguments and returns its exit code and what it printed."""

    def run(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["pcsc", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        # A wrong call is framed to the width of the terminal.
        wrong = ended.value.code == WRONG_USAGE
        said = " ".join(printed.err.replace("│", " ").split()) if wrong else printed.err
        return int(ended.value.code or 0), printed.out + said

    return run


@pytest.fixture
def pcsc(run: Run, both: Parties) -> Commands:
    """Return the commands of both contact points."""
    return Commands(run, both)


def a_case(run: Run, folder: Path, name: str, *, reason: str = REASON) -> Path:
    """Return the example document with a reason to believe and a case of its own."""
    document = folder / f"{name}.toml"
    text = run("example", "unasked")[1].replace(
        'reason_to_believe = ""', f'reason_to_believe = "{reason} Case {name}."'
    )
    document.write_text(text.replace("2026-0002", name))
    return document


@pytest.fixture
def provided(pcsc: Commands, run: Run, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """Return an exchange in which Japan has provided a name without request, and the United States accepted its condition."""
    number: str = pcsc.act(Party.JP, "provide", a_case(run, tmp_path, request.node.name[:60]))["exchange"]
    assert pcsc.act(Party.US, "accept", number, "--signed-by", "Special Agent")["state"] == "provided"
    return number


USED = ("--for", "serious-crime", "--by", "agent", "--not-political", "--offences")


def test_6_one_case_is_provided_by_its_document(pcsc: Commands, run: Run, both: Parties, tmp_path: Path) -> None:
    jp = ("--dir", both.jp.settings.folder.root)
    empty = tmp_path / "empty.toml"
    empty.write_text(run("example", "unasked")[1])
    assert "Art. 6: information is provided without request in individual cases" in pcsc.refuses(
        Party.JP, "provide", empty
    )
    assert "the reason to believe is empty: state it" in pcsc.refuses(Party.JP, "provide", empty)

    case = a_case(run, tmp_path, "case-6")
    misspelt = tmp_path / "misspelt.toml"
    misspelt.write_text(case.read_text().replace("[[conditions]]", "[[condition]]"))
    code, said = run("provide", misspelt, *jp)
    assert code == cli.FAILED
    assert "condition: Unexpected keyword argument; the document is one case: `pcsc example unasked` prints one" in said

    given = pcsc.act(Party.JP, "provide", case)
    assert (given["article"], given["side"], given["state"], given["offered"]) == (6, "queried", "offered", ["name"])
    number = given["exchange"]
    assert pcsc.duties(Party.US, number) == ["accept the conditions, or decline the information"]
    said = pcsc.says(Party.US, "accept", number, "--signed-by", "Special Agent")
    assert "Condition: Not for immigration-related purposes." in said
    assert f"pcsc use {number} --for serious-crime --offences offences.toml --by NAME --not-political" in said
    assert pcsc.act(Party.US, "review", number, "--by", "reviewer")["open_purposes"] == ["serious-crime"]

    again = tmp_path / "again.toml"
    again.write_text(case.read_text().replace('"case-6"', '"another case"'))
    assert "the reason to believe is word for word that of 1 other cases" in pcsc.refuses(Party.JP, "provide", again)


def test_7_the_result_of_use_is_asked_for_told_and_read_for_one_purpose(
    pcsc: Commands, run: Run, provided: str, tmp_path: Path
) -> None:
    offences = tmp_path / "offences.toml"
    offences.write_text(run("example", "offences")[1].replace('"JP"', '"US"'))
    pcsc.act(Party.US, "use", provided, *USED, offences)
    assert "nobody has asked for the result of a use yet" in pcsc.says(Party.JP, "result", provided)
    assert "Art. 7: the result of a use is told to the contact point that provided" in pcsc.refuses(
        Party.US, "result", provided, "--ask"
    )
    assert "JP has asked for no result of use in exchange" in pcsc.refuses(Party.US, "result", provided, "--tell")
    reading = ("result", provided, "--read", "--by", "reviewer", "--for")
    assert "no result of use was told in exchange" in pcsc.refuses(Party.JP, *reading, "review")

    (matter,) = pcsc.act(Party.JP, "result", provided, "--ask")["matters"]
    assert (matter["kind"], matter["raised_by"], matter["settled_at"]) == ("result of use", "JP", None)
    assert "wait for the answer" in pcsc.refuses(Party.JP, "result", provided, "--ask")
    said = pcsc.says(Party.US, "result", provided)
    assert f"open, due on {matter['due_at'][:10]}\n" in said
    assert f"Tell it:\n\n    pcsc result {provided} --tell" in said
    assert "1. " in said
    assert "serious-crime (Art. 6): no result entered" in said
    pcsc.act(Party.US, "note-result", provided, 1, "Two persons were charged.")
    assert pcsc.says(Party.US, "result", provided, "--tell").startswith("The result is told.\n")

    assert "Art. 8(6): the result of a use may be used solely for 'review', not for 'serious-crime'" in pcsc.refuses(
        Party.JP, *reading, "serious-crime"
    )
    assert pcsc.act(Party.JP, *reading, "review")["uses"][0]["result"] == "Two persons were charged."
    # Art. 8(6): what came of the use is not among what everybody reads.
    (asked,) = pcsc.act(Party.JP, "correspondence", provided)
    assert asked["message"] == "result-request"
    told = pcsc.says(Party.US, "correspondence", provided)
    assert "US tells the result of use (Art. 7)" in told
    assert "Two persons were charged." in told


def test_8_5_and_8_7_consent_is_asked_for_and_decided_in_writing(pcsc: Commands, run: Run, provided: str) -> None:
    another = ("use", provided, "--for", "other", "--stated", "A museum", "--by", "agent", "--not-political")
    decide = ("consent", provided, "--signed-by", "Superintendent")
    assert "needs the other Party's prior consent" in pcsc.refuses(Party.US, *another)
    assert "US has asked for no consent in exchange" in pcsc.refuses(Party.JP, *decide, "--grant")
    assert "JP received none" in pcsc.refuses(
        Party.JP, *decide, "--ask", "use", "--purpose", "A museum", "--item", "name"
    )
    ask = ("consent", provided, "--item", "name", "--signed-by", "Special Agent", "--ask")
    misspelt = ("consent", provided, "--item", "nmae", *ask[4:], "use", "--purpose", "A museum")
    assert "'nmae' is no kind of item that JP may give; arrangement model-1 lists name, " in pcsc.refuses(
        Party.US, *misspelt
    )
    assert "a release is consented to for a named recipient (Art. 8(7))" in pcsc.refuses(
        Party.US, *ask, "release", "--purpose", "A trial"
    )

    question = pcsc.act(Party.US, *ask, "use", "--purpose", "A museum")["matters"][0]["number"]
    shown = pcsc.says(Party.JP, "consent", provided)
    assert f"consent {question} under Art. 8(5)(2) to 'A museum' of name, raised by US" in shown
    assert f"pcsc consent {provided} --withhold --reason REASON --signed-by NAME" in shown
    assert "Decide on it" not in pcsc.says(Party.US, "consent", provided)
    assert "consent that is withheld is withheld with a reason" in pcsc.refuses(Party.JP, *decide, "--withhold")
    assert "reports a consent under Article 8(5)(2) to the National Public Safety Commission" in pcsc.refuses(
        Party.JP, *decide, "--grant"
    )
    assert "has no request 'unknown'" in pcsc.refuses(Party.JP, "consent", provided, "--report", "unknown", "NPSC 1")
    pcsc.act(Party.JP, "consent", provided, "--report", question, "NPSC 2026-1")
    assert pcsc.says(Party.JP, *decide, "--grant").startswith("Consent is granted.\n")
    assert pcsc.act(Party.US, *another)["article"] == "8(5)(2)"

    to = ("--recipient", "INTERPOL", "--kind", "international body")
    pcsc.act(Party.US, *ask, "release", "--purpose", "A notice", *to)
    withheld = pcsc.act(Party.JP, *decide, "--withhold", "--reason", "It is not needed there.")["matters"][1]
    assert (withheld["granted"], withheld["recipient"]["name"]) == (False, "INTERPOL")
    release = ("release", provided, "--to", "INTERPOL", "--kind", "international body", "--by", "agent")
    assert "prior written consent of JP, to this recipient by name" in pcsc.refuses(Party.US, *release)
    pcsc.act(Party.US, *ask, "release", "--purpose", "Another notice", *to)
    pcsc.act(Party.JP, *decide, "--grant", "--urgent")
    assert pcsc.act(Party.US, *release)["article"] == "8(7)"
    assert pcsc.duties(Party.JP, provided) == ["report the consent that was given without delay"]

    said = pcsc.says(Party.JP, "correspondence", provided)
    assert (
        f"asks for consent to another use (Art. 8(5)(2)): question {question}\n    A museum\n    About: name\n" in said
    )
    assert "asks for consent to a release to INTERPOL, international body (Art. 8(7))" in said
    assert "JP withholds its consent\n    It is not needed there.\n    Signed: Superintendent" in said


NOTIFY = ("--fault", "incorrect", "--text", "It is of somebody else.", "--signed-by", "Superintendent")


def test_10_what_is_incorrect_is_notified_corrected_and_told_on(
    pcsc: Commands, run: Run, provided: str, tmp_path: Path
) -> None:
    offences = tmp_path / "offences.toml"
    offences.write_text(run("example", "offences")[1].replace('"JP"', '"US"'))
    used = ("use", provided, *USED, offences)
    own = ("release", provided, "--to", "FBI", "--kind", "authority of our own Party", "--by", "agent")
    assert "FBI is an authority of US, which uses it for a purpose: ask for that use, naming it (Art. 8(5))" in (
        pcsc.refuses(Party.US, *own)
    )
    pcsc.act(Party.US, *used, "--authority", "FBI")
    (given,) = pcsc.act(Party.US, "ledger", provided)["releases"]
    assert (given["recipient"]["name"], given["clause"], given["kinds"]) == ("FBI", "6", ["name"])
    assert "Art. 10(1): a notice corrects what it concerns, name; it also gives sex" in pcsc.refuses(
        Party.JP, "correct", provided, "--item", "name", *NOTIFY, "--right", "sex=female"
    )
    assert pcsc.says(
        Party.JP, "correct", provided, "--item", "name", *NOTIFY, "--right", "name=SAMPLE, Other"
    ).startswith("The other Party is notified.\n")
    (matter,) = pcsc.act(Party.US, "review", provided, "--by", "reviewer")["matters"]
    notice = matter["number"]
    assert "Art. 10(2): the information may not be used" in pcsc.refuses(Party.US, *used)

    said = pcsc.says(Party.US, "correspondence", provided)
    assert f"JP notifies that name is incorrect (Art. 10(1)): notice {notice}\n    It is of somebody else.\n" in said
    # What would be right is information: it is read through the gate on use, when the measure is taken.
    assert "    name: (read with `pcsc use` after the measure)\n    Signed: Superintendent" in said
    assert "SAMPLE, Other" not in said + pcsc.says(Party.JP, "correspondence", provided)
    assert f"pcsc measure {provided} {notice} correction|deletion|non-disclosure --by NAME" in said
    measure = ("--by", "records officer")
    assert f"has no open correction 'unknown'; open are: correction {notice}" in pcsc.refuses(
        Party.US, "measure", provided, "unknown", "deletion", *measure
    )
    assert f"has no open correction '{notice}'; open are: nothing" in pcsc.refuses(
        Party.JP, "measure", provided, notice, "deletion", *measure
    )
    said = pcsc.says(Party.US, "measure", provided, notice, "correction", *measure)
    assert said.startswith("The measure is taken: correction.\n")
    assert f"FBI is to be told of the correction (Art. 10(2)):\n\n    pcsc told {provided} FBI" in said
    assert pcsc.act(Party.US, *used)["items"][0]["value"] == "SAMPLE, Other"
    assert "to be told of a correction in exchange" in pcsc.refuses(Party.US, "told", provided, "INTERPOL")
    assert pcsc.says(Party.US, "told", provided, "FBI").startswith("It is noted that FBI was told.\n")
    assert pcsc.act(Party.US, "ledger", provided)["releases"][0]["told"]


def test_4_7_and_5_1_a_latent_query_and_an_urgent_request(
    pcsc: Commands, fingers: tuple[Finger, ...], tmp_path: Path
) -> None:
    pcsc.both.enrol(Party.US, "someone", fingers[0])
    basis, said = tmp_path / "basis.toml", "A print was lifted from the till; the suspect is said to live abroad."
    basis.write_text(pcsc.run("example", "basis")[1].replace('circumstances = ""', f'circumstances = "{said}"'))
    (tmp_path / "later.png").write_bytes(fingers[0].later)
    number = pcsc.act(Party.JP, "query", "--latent", "--print", tmp_path / "later.png", "--basis", basis)["exchange"]
    with pcsc.both.jp.store.transaction() as tx:
        assert tx.exchange(number).search is Search.LATENT
    pcsc.act(Party.JP, "examine", number, "--conclude", "identification", "--by", "examiner")
    pcsc.act(Party.JP, "determine", number, "--request")

    notification = tmp_path / "notification.toml"
    notification.write_text(pcsc.run("example", "notification")[1])
    ask = ("request", number, "--notification", notification, "--risk")
    assert "an urgent request states the significant and imminent risk in at least 40 characters" in pcsc.refuses(
        Party.JP, *ask, "soon"
    )
    pcsc.act(Party.JP, *ask, "The same two persons are said to have bought weapons for this very evening.")
    assert pcsc.duties(Party.US, number) == ["answer the urgent request for further information"]
    give = ("answer", number, "--give", "name", "--give", "date of birth")
    assert "Art. 5(5): a person decides what is relevant to the purpose" in pcsc.refuses(Party.US, *give)
    assert "provided" in pcsc.says(Party.US, *give, "--by", "desk officer")
    assert "Use it within its purpose" in pcsc.says(Party.JP, "review", number, "--by", "reviewer")


def test_4_6_a_query_that_no_request_followed_is_explained(pcsc: Commands, fingers: tuple[Finger, ...]) -> None:
    pcsc.both.enrol(Party.US, "another", fingers[1])
    sent = open_query(pcsc.both.jp, [fingers[1].later_print], justification(Party.JP), main.clock())
    number = sent.control_number
    assert "one may follow until" in pcsc.refuses(Party.US, "explain", number, "--ask")
    assert "is no query of ours, so there is nothing to explain" in pcsc.refuses(Party.US, "explain", number)
    pcsc.act(Party.JP, "examine", number, "--conclude", "exclusion", "--by", "examiner")
    pcsc.act(Party.JP, "determine", number, "--no-request")
    asked = pcsc.refuses(Party.JP, "explain", number, "--ask")
    assert "Art. 4(6): the queried side asks for the purpose of a query that resulted in a match" in asked
    signed = ("explain", number, "--text", "The print was of the owner.", "--signed-by", "Superintendent")
    assert "US has asked for no explanation in exchange" in pcsc.refuses(Party.JP, *signed)

    assert pcsc.says(Party.US, "explain", number, "--ask").startswith("The explanation is asked for.\n")
    drafted = pcsc.act(Party.JP, "explain", number)
    assert drafted["draft"]["why"] == "the examiner excluded the match"
    assert drafted["matters"][0]["raised_by"] == "US"
    said = pcsc.says(Party.JP, "explain", number, "--why", "sent-in-error")
    assert "Why no request followed: the query was sent in error\nIn words: the query was sent in error; " in said
    assert f"pcsc explain {number} [--why CODE --text TEXT --purpose PURPOSE] --signed-by NAME" in said
    assert pcsc.says(Party.JP, *signed).startswith("The query is explained.\n")
    said = pcsc.says(Party.US, "correspondence", number)
    assert "US asks for the purpose of the query (Art. 4(6))" in said
    assert "the examiner excluded the match: The print was of the owner.\n    Signed: Superintendent" in said

    # Art. 10(1): a mix-up of prints is notified wherever the person matched, long after the prints have gone.
    wrong = ("--item", "fingerprint data", *NOTIFY)
    said = pcsc.says(Party.US, "correct", "--subject", "another", *wrong)
    assert said == f"The other Party is notified in 1 of 1 exchanges.\n{number}\n"
    assert "'nobody' matched in no exchange" in pcsc.refuses(Party.US, "correct", "--subject", "nobody", *wrong)
    notice = pcsc.act(Party.JP, "correspondence", number)[-1]["control_number"]
    assert "prints that are incorrect or unreliable are deleted or not disclosed" in pcsc.refuses(
        Party.JP, "measure", number, notice, "correction", "--by", "records officer"
    )


def test_9_and_14_a_breach_is_notified_and_consultations_are_asked_for(pcsc: Commands, provided: str) -> None:
    breach = ("breach", "--nature", "A laptop was lost.", "--measures", "", "--signed-by", "CISO", "--noticed")
    assert (
        "Art. 9: a notice of a breach says what happened and what was done about it; the measures is empty"
        in pcsc.refuses(Party.US, *breach, "2026-03-01T09:30+09:00")
    )
    assert "a time with its offset from UTC, such as 2026-03-01T09:30+09:00" in pcsc.misused(
        *breach, "2026-03-01T09:30"
    )
    assert "a breach is notified after it was noticed" in pcsc.misused(*breach, "2999-01-01T00:00Z")
    done = [each or "Its keys were destroyed." for each in breach]
    number = pcsc.act(Party.US, *done, "2026-03-01T09:30+09:00")["exchange"]
    (notice,) = pcsc.act(Party.JP, "correspondence", number)
    assert (notice["message"], notice["noticed_at"]) == ("breach-notice", "2026-03-01T00:30:00+00:00")
    assert provided in notice["affected"]
    assert "salt" not in notice
    said = pcsc.says(Party.JP, "correspondence", number)
    assert "US notifies a breach of protection, noticed at 2026-03-01 00:30 (Art. 9)\n    A laptop was lost.\n" in said
    assert "    Done: Its keys were destroyed.\n    Affected: " in said

    consult = ("consult", "--on", "14(2)", "--signed-by", "Director", "--matter")
    assert "consultations are about something; the matter is empty: state it" in pcsc.refuses(Party.JP, *consult, "")
    said = pcsc.says(Party.JP, *consult, "What 'immediately' means in Article 8(1).")
    assert said.startswith("The consultations are asked for.\n")
    (consulting,) = [each["exchange"] for each in pcsc.act(Party.US, "inbox", "--all") if each["article"] == 14]
    said = pcsc.says(Party.US, "correspondence", consulting)
    assert "JP asks for consultations (Art. 14(2))\n    What 'immediately' means in Article 8(1).\n" in said
    assert pcsc.act(Party.US, "close", consulting)["state"] == "closed"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("explain", "X", "--ask", "--text", "why"), "--ask asks the other Party; the other options answer it: do one"),
        (
            ("explain", "X", "--why", "because"),
            "one of excluded, inconclusive, case-closed, cleared, sent-in-error, other",
        ),
        (("result", "X", "--ask", "--tell"), "each is an act of its own; got --ask and --tell: do one"),
        (("result", "X", "--read"), "--read needs --for and --by"),
        (("consent", "X", "--ask", "use"), "--ask needs --purpose and --item and --signed-by"),
        (("consent", "X", "--withhold"), "--withhold needs --signed-by"),
        (("consent", "X", "--grant", "--ask", "use"), "each is an act of its own; got --ask and --grant: do one"),
        (("consent", "X", "--recipient", "N"), "a recipient has a name and a kind: add --recipient and --kind"),
        (("correct", "--item", "name", *NOTIFY), "what is wrong stands in one EXCHANGE, or is of one person"),
        (("correct", "X", "--item", "name", *NOTIFY, "--right", "x"), "what is right is given as ITEM=VALUE; got 'x'"),
        (("terminate", "--note", "N"), "a notice is given by a Party and received on a day"),
        (("terminate", "--note", "N", "--withdraw", "--given-by", "US"), "a notice is withdrawn as it was entered"),
    ],
)
def test_a_wrong_call_says_what_is_missing(pcsc: Commands, arguments: tuple[str, ...], says: str) -> None:
    assert says in pcsc.misused(*arguments)


def test_15_4_a_notice_ends_the_agreement_and_15_5_what_was_provided_stays_protected(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "jp"
    jp = ("--dir", folder)
    model = tmp_path / "agreed.toml"
    text = Path(installation.__file__).with_name("models").joinpath("arrangement.toml").read_text()
    model.write_text(text.replace("result_reply_days = 30", "result_reply_days = 31"))
    assert model.read_text() != text
    code, said = run("init", folder, "--party", "JP", "--arrangement", tmp_path / "absent.toml")
    assert (code, "No such file or directory; name the document of the arrangement" in said) == (cli.FAILED, True)
    assert run("init", folder, "--party", "JP", "--arrangement", model)[0] == 0
    assert settings.read(folder).arrangement(main.clock()).result_reply_days == 31

    code, said = run("terminate", "--withdraw", "--note", "Note 3", *jp)
    assert code == cli.REFUSED
    assert "Art. 15(4): no notice that ends the agreement is entered here" in said
    today = main.clock().date()
    give = ("terminate", "--note", "Note 1", "--given-by", "US", "--received")
    code, said = run(*give, today + timedelta(days=3), *jp)
    assert (code, "the three months begin when the notice is there" in said) == (cli.REFUSED, True)
    code, said = run(*give, "2018-01-01", *jp)
    assert (code, "a notice received on 2018-01-01 cannot end it" in said) == (cli.REFUSED, True)

    ends = Termination(Party.US, today, "Note 1").ends_on
    code, said = run(*give, today, *jp)
    assert code == 0
    assert said.startswith(f"The agreement is no longer in force from {ends} on (Art. 15(4)).")
    assert "What was provided until then stays protected (Art. 15(5))" in said
    code, said = run("terminate", "--note", "Note 2", "--given-by", "JP", "--received", today + timedelta(days=1), *jp)
    assert code == cli.REFUSED
    assert f"the agreement ends on {ends} already, three months after US gave notice (Note 1)" in said
    earlier = today - timedelta(days=20)
    assert json.loads(
        run("terminate", "--note", "Note 2", "--given-by", "JP", "--received", earlier, *jp, "--json")[1]
    ) == {
        "given_by": "JP",
        "received_on": str(earlier),
        "note": "Note 2",
        "ends_on": str(Termination(Party.JP, earlier, "Note 2").ends_on),
    }

    code, said = run("terminate", "--withdraw", "--note", " ", *jp)
    assert (code, "a notice given in writing is withdrawn in writing" in said) == (cli.REFUSED, True)
    kept = Path(json.loads(run("terminate", "--withdraw", "--note", "Note 3", *jp, "--json")[1])["kept"])
    assert json.loads(kept.read_text())["withdrawn_by"] == "Note 3"
    assert settings.read(folder).agreement.termination is None
    run(*give, "2020-01-01", *jp)
    code, said = run("terminate", "--withdraw", "--note", "Note 4", *jp)
    assert (code, "the agreement ended on 2020-04-01; a notice is withdrawn before" in said) == (cli.REFUSED, True)


def test_every_command_stands_under_a_heading_in_the_order_of_the_work(run: Run) -> None:
    said = run("--help")[1]
    headings = (
        "Setting up",
        "Our gallery",
        "The querying side",
        "The queried side",
        "Both sides",
        "The record",
        "Other channels",
    )
    places = [said.index(f"─ {heading} ─") for heading in headings]
    assert places == sorted(places)
    assert "─ Commands ─" not in said
