"""`pcsc advise`, `pcsc directory` and `pcsc template`, which need no installation."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING

from contact_point import cli, templates

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ASSISTANCE = ("--by", "prosecuting-authority", "--from", "US", "--to", "JP")


def test_advice_names_channel_receiver_document_and_reason(run: Callable[..., tuple[int, str]]) -> None:
    code, said = run("advise", "evidence", *ASSISTANCE)
    assert code == 0
    assert "1. the treaty or agreement on mutual legal assistance between the two" in said
    assert "to: Ministry of Justice; International Affairs Division, Criminal Affairs Bureau" in said
    assert "document: pcsc template mla-request" in said
    assert "governed: It must be governed by this treaty: [interp]" in said
    assert "Translation: not stated" in said
    assert "(Act No. 69 of 1980, Art. 2(ii))" in said


def test_advice_for_a_program_says_the_same(run: Callable[..., tuple[int, str]]) -> None:
    code, said = run("advise", "print", *ASSISTANCE, "--serious", "--json")
    advice = json.loads(said)
    assert code == 0
    assert [channel["basis"] for channel in advice["channels"]] == ["agreement", "bilateral", "interpol"]
    assert advice["channels"][0]["receiver"]["id"] == "jp-agreement"
    assert advice["question"]["serious"] is True
    assert advice["warnings"] == [
        {
            "text": "The other channels stay open beside the agreement, which blocks none of them.",
            "source": "Art. 13(1)",
        }
    ]
    assert "document: pcsc example basis" in run("advise", "print", *ASSISTANCE)[1]


def test_a_stop_says_which_sentence_stops(run: Callable[..., tuple[int, str]]) -> None:
    code, said = run("advise", "interception", *ASSISTANCE)
    assert code == 0  # the advice was given; what it advises is not to ask
    assert "Stop: Japan's domestic law does not permit" in said
    assert "3 July 2020, 3.3" in said
    assert "1." not in said.replace("3.3", "")


def test_an_emergency_and_conventions_are_part_of_the_question(run: Callable[..., tuple[int, str]]) -> None:
    asked = ("advise", "preservation", "--by", "investigating-authority", "--from", "BR", "--to", "JP")
    risk = ("--emergency", "A bomb is to go off tonight.", "--stated-by", "the duty officer")
    code, said = run(*asked, *risk, "--convention", "budapest")
    assert code == 0
    assert "Emergency: A bomb is to go off tonight." in said
    assert "24/7 point of contact" in said
    code, said = run(*asked, "--emergency", "A bomb is to go off tonight.")
    assert (code, "the author is empty: state it" in said) == (cli.FAILED, True)


def test_a_question_without_an_answer_is_one_sentence(run: Callable[..., tuple[int, str]]) -> None:
    code, said = run("advise", "print", "--by", "contact-point", "--from", "US", "--to", "KR", "--json")
    assert code == cli.FAILED
    assert json.loads(said)["error"].startswith("the directory states the channels to and from Japan; got US and KR")


def test_the_directory_shows_source_date_and_what_is_not_stated(run: Callable[..., tuple[int, str]]) -> None:
    code, said = run("directory", "--function", "24-7")
    assert code == 0
    assert "telephone: not stated" in said
    assert "direction: not stated" in said
    assert "as of 2020-07-03" in said
    assert "status: a later source says otherwise" in said
    assert "extradition" not in said
    code, said = run("directory", "--state", "KR", "--json")
    entries = json.loads(said)["entries"]
    assert [(entry["id"], entry["source"]["as_of"]) for entry in entries] == [("kr-central-authority", None)]
    assert "No source states one." in run("directory", "--state", "FR")[1]


def test_a_country_sheet_shows_every_section(run: Callable[..., tuple[int, str]]) -> None:
    code, said = run("directory", "--subject", "stored-content")
    assert code == 0
    assert said.count(": not stated") == 10
    sections = json.loads(run("directory", "--subject", "interception", "--json")[1])["sections"]
    assert "does not permit" in sections["general remarks"]
    code, said = run("directory", "--subject", "telepathy")
    assert (code, "there is no sheet on 'telepathy'" in said) == (2, True)


def test_a_directory_of_ones_own_is_read_and_its_fault_named(
    run: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    own = tmp_path / "own.toml"
    own.write_text("[sources]\n", encoding="utf-8")
    code, said = run("directory", "--directory", own)
    assert code == cli.FAILED
    assert "own.toml: partners: Field required" in said


def test_an_empty_form_is_filled_in_and_becomes_the_document(
    run: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    code, form = run("template", "explanation-request")
    assert code == 0
    assert set(tomllib.loads(form).values()) == {""}
    path = tmp_path / "form.toml"
    path.write_text(form, encoding="utf-8")
    code, said = run("template", "explanation-request", "--values", path)
    assert (code, "7 missing or wrong, so there is no document" in said) == (cli.FAILED, True)
    path.write_text(form.replace('""', '"2026-11-22"'), encoding="utf-8")
    code, said = run("template", "explanation-request", "--values", path, "--lang", "ja")
    assert code == 0
    assert said.startswith("# 照会の目的についての説明の要請書\n")
    assert "2026年11月22日に回答した照会" in said
    told = json.loads(run("template", "explanation-request", "--values", path, "--lang", "en", "--json")[1])
    assert (told["version"], told["filled"]) == ("1/1", True)
    assert "Article 4(6)" in told["text"]
    path.write_text("number =", encoding="utf-8")
    code, said = run("template", "explanation-request", "--values", path)
    assert (code, "is not TOML" in said) == (cli.FAILED, True)


def test_templates_are_listed_by_name_in_both_languages(run: Callable[..., tuple[int, str]]) -> None:
    code, said = run("template")
    assert code == 0
    assert "mla-request: Request for mutual legal assistance in a criminal matter / 共助要請書" in said
    listed = json.loads(run("template", "--json")[1])
    assert [each["name"] for each in listed] == list(templates.names())
    code, said = run("template", "letter")
    assert (code, "there is no template 'letter'; there are breach-notice" in said) == (cli.FAILED, True)
