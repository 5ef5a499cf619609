"""The documents in English and Japanese: nothing that must be said is left out, and both languages say the same."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from string import Template as Text
from typing import TYPE_CHECKING, Any, Final

import pytest

from contact_point import templates
from contact_point.templates import Language, Template, TemplateError
from pcsc.channels import _UNDER_AGREEMENT
from pcsc.messages import Activity, ConsentTo, Expectation, Fault, Ground, Why

if TYPE_CHECKING:
    from pathlib import Path

NAMES: Final = templates.names()
DATE: Final = date(2026, 11, 22)


def filled(template: Template, **changes: Any) -> dict[str, Any]:
    """Return values for every field: the first of its choices, or its own name."""
    values: dict[str, Any] = {
        field.key: field.choices[0].value if field.choices else f"the {field.key}" for field in template.fields
    }
    return {**values, "date": DATE, **changes}


def choices(name: str, key: str) -> set[str]:
    """Return the values that a field allows."""
    field = next(field for field in templates.load(name).fields if field.key == key)
    return {choice.value for choice in field.choices}


def test_there_is_a_document_for_every_act_that_is_done_in_writing() -> None:
    assert set(NAMES) == {
        "written-notification",  # Art. 5(1)
        "explanation-request",  # Art. 4(6)
        "explanation-reply",
        "refusal",  # Art. 5(5)
        "spontaneous-provision",  # Art. 6
        "result-request",  # Art. 7
        "result-reply",
        "consent-request",  # Art. 8(5)(2), Art. 8(7)
        "consent-decision",
        "incorrect-information-notice",  # Art. 10(1)
        "breach-notice",  # Art. 9
        "mla-request",
        "preservation-request",
    }
    named = {document for document, _ in _UNDER_AGREEMENT.values()} - {"basis"}
    assert named <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_both_languages_have_every_field_once_and_no_other(name: str) -> None:
    template = templates.load(name)
    keys = sorted(field.key for field in template.fields)
    for language in (Language.EN, Language.JA):
        text = Text(template.text.in_(language))
        assert text.is_valid()
        assert sorted(text.get_identifiers()) == keys
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("name", NAMES)
def test_every_field_is_labelled_in_both_languages_with_the_clause_that_asks_for_it(name: str) -> None:
    template = templates.load(name)
    assert re.fullmatch(r"\d+/\d+", template.version)
    for field in template.fields:
        assert field.clause
        assert field.en.isascii()
        for words in (field.ja, *(choice.ja for choice in field.choices)):
            assert re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", words)
        if field.when:
            asked = next(other for other in template.fields if other.key == field.when[0])
            assert set(field.when[1]) <= {choice.value for choice in asked.choices}


@pytest.mark.parametrize("name", NAMES)
def test_a_filled_form_becomes_the_document_in_both_languages(name: str) -> None:
    template = templates.load(name)
    english = templates.render(template, filled(template), Language.EN)
    japanese = templates.render(template, filled(template), Language.JA)
    assert english.startswith(f"# {template.title.en}\n")
    assert japanese.startswith(f"# {template.title.ja}\n")
    assert ("Date: 2026-11-22" in english, "日付：2026年11月22日" in japanese) == (True, True)  # noqa: RUF001 - Japanese colon
    assert templates.render(template, filled(template), Language.BOTH) == f"{english.rstrip()}\n\n---\n\n{japanese}"
    assert "$" not in english + japanese


@pytest.mark.parametrize("name", NAMES)
def test_the_empty_form_is_toml_and_lacks_everything_required(name: str) -> None:
    template = templates.load(name)
    for language in Language:
        empty = tomllib.loads(templates.form(template, language))
        assert list(empty) == [field.key for field in template.fields]
        with pytest.raises(TemplateError) as refused:
            templates.render(template, empty, language)
        asked = [field.key for field in template.fields if field.required and not field.when]
        assert [each.key for each in refused.value.missing] == asked
    assert (template.title.ja in templates.form(template, Language.EN)) is False
    assert template.title.en not in templates.form(template, Language.JA)


def test_what_is_missing_is_listed_all_at_once() -> None:
    template = templates.load("consent-request")
    with pytest.raises(TemplateError) as refused:
        templates.render(template, filled(template, to="8(7)", recipient=" ", purpose=[], colour="red"), Language.JA)
    assert str(refused.value) == (
        "consent-request: 3 missing or wrong, so there is no document:\n"
        "- purpose: nothing is stated under 'Purpose of the use or of the release' (Art. 8(5)(2))\n"
        "- recipient: nothing is stated under 'Recipient by name, and what it is' (Art. 8(7))\n"
        "- colour: the document has no such point; correct the name, or leave it out"
    )


def test_8_5_2_a_use_of_ones_own_needs_no_recipient() -> None:
    template = templates.load("consent-request")
    assert "5. Recipient: (none)" in templates.render(template, filled(template, recipient=""), Language.EN)


def test_5_3_no_refusal_is_written_because_the_conduct_is_no_offence_here() -> None:
    assert choices("refusal", "ground") == {ground.value for ground in Ground} - {Ground.NO_OFFENCE_HERE.value}
    template = templates.load("refusal")
    with pytest.raises(
        TemplateError, match=r"'Ground' is one of law, .* \(Art\. 5\(3\), Art\. 5\(5\)\); got 'no-offence-here'"
    ):
        templates.render(template, filled(template, ground="no-offence-here"), Language.EN)


def test_5_4_another_channel_is_never_the_only_ground_and_a_governing_agreement_is_named() -> None:
    template = templates.load("refusal")
    for ground, lacking in (("other-channel", "second_ground"), ("must-be-governed", "governing_agreement")):
        values = filled(template, ground=ground, second_ground="", governing_agreement="")
        with pytest.raises(TemplateError) as refused:
            templates.render(template, values, Language.EN)
        assert [each.key for each in refused.value.missing] == [lacking]
    assert "other-channel" not in choices("refusal", "second_ground")


def test_5_5_a_refusal_has_its_reasons() -> None:
    template = templates.load("refusal")
    with pytest.raises(TemplateError, match=r"- reason: nothing is stated under 'Reasons' \(Art\. 5\(5\)\)"):
        templates.render(template, filled(template, reason="\n"), Language.EN)


def test_13_2_no_document_is_written_for_a_political_offence() -> None:
    for name in ("written-notification", "spontaneous-provision"):
        template = templates.load(name)
        with pytest.raises(TemplateError, match=r"is one of no \(Art\. 13\(2\)\); got 'yes'"):
            templates.render(template, filled(template, political="yes"), Language.EN)


def test_choices_are_those_of_the_messages_of_the_agreement() -> None:
    assert choices("explanation-reply", "why") == {why.value for why in Why}
    assert choices("consent-request", "to") == {to.value for to in ConsentTo}
    assert choices("incorrect-information-notice", "fault") == {fault.value for fault in Fault}
    assert choices("spontaneous-provision", "expectation") == {each.value for each in Expectation}
    for name in ("written-notification", "spontaneous-provision"):
        assert choices(name, "activity") == {activity.value for activity in Activity}


def test_a_request_for_assistance_meets_the_checklist_of_the_ministry_of_justice() -> None:
    template = templates.load("mla-request")
    clauses = {field.clause for field in template.fields}
    assert {f"checklist, {number}" for number in range(1, 7)} <= clauses
    with pytest.raises(
        TemplateError, match=r"authority_kind: .* is one of prosecuting-authority, investigating-authority"
    ):
        templates.render(template, filled(template, authority_kind="private-person"), Language.EN)
    # Act No. 69 of 1980, Art. 4(ii): the assurance. Act No. 69 of 1980, Art. 2(iii): the evidence is indispensable.
    for changes, lacking in (
        ({"legal_basis": "reciprocity", "reciprocity": ""}, "reciprocity"),
        ({"kind": "witness-examination", "indispensable": ""}, "indispensable"),
        ({"kind": "statement", "other_persons": ""}, "other_persons"),
    ):
        with pytest.raises(TemplateError) as refused:
            templates.render(template, filled(template, **changes), Language.EN)
        assert [each.key for each in refused.value.missing] == [lacking]
    templates.render(template, filled(template, kind="service", indispensable="", other_persons=""), Language.BOTH)


def test_japanese_documents_use_the_terms_of_the_implementing_act_and_rules() -> None:
    """Act No. 57 of 2014, Arts. 4 and 5; National Public Safety Commission Rule No. 16 of 2018, Art. 3."""
    terms = {
        "written-notification": ("第五条１", "追加の情報の提供を要請"),
        "explanation-request": ("照会の目的について説明を要請", "協定第四条６"),
        "consent-request": ("協定第八条５（２）", "協定第八条７", "開示", "利用"),  # noqa: RUF001 - the same
        "mla-request": ("共助要請書", "日本国が行う同種の要請に応ずる旨の保証", "捜査に欠くことのできないもの"),
        "preservation-request": ("三十日を超えない期間", "通じて六十日を超えない期間"),
    }
    for name, words in terms.items():
        template = templates.load(name)
        text = templates.render(template, filled(template), Language.JA) + templates.form(template, Language.JA)
        assert [word for word in words if word not in text] == []


def test_several_values_are_listed_and_free_text_is_printed_as_it_is() -> None:
    template = templates.load("written-notification")
    values = filled(template, items=["name", " ", "date of birth"], purpose="To find $reference & more", risk="")
    text = templates.render(template, values, Language.BOTH)
    assert text.count("\n   - name\n   - date of birth\n") == 2
    assert text.count("To find $reference & more") == 2
    assert ("9. Urgency: (none)" in text, "（なし）" in text) == (True, True)  # noqa: RUF001 - Japanese brackets
    assert not [line for line in text.splitlines() if line != line.rstrip()]


def test_a_template_that_is_not_there_is_named_with_those_that_are() -> None:
    for name in ("frame", "letter", "../arrangement"):
        with pytest.raises(TemplateError, match=rf"^there is no template '{name}'; there are breach-notice, "):
            templates.load(name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('version = "1"\n', r"models/templates/letter\.toml: clause: Field required; correct the template"),
        ("version = ", r"models/templates/letter\.toml is not TOML: "),
    ],
)
def test_a_malformed_template_is_named_with_its_key(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "models" / "templates"
    folder.mkdir(parents=True)
    (folder / "letter.toml").write_text(text, encoding="utf-8")
    (folder / "frame.toml").write_text(
        'version = "1"\nfields = []\n[text]\nen = "$body"\nja = "$body"\n', encoding="utf-8"
    )
    monkeypatch.setattr(templates, "files", lambda _package: tmp_path)
    with pytest.raises(TemplateError, match=message):
        templates.load("letter")
