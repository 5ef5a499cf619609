"""Who may do what in the console: every role and every act, and nothing that is not said (Article 9)."""

from __future__ import annotations

from itertools import combinations
from typing import Final

import pytest

from contact_point.console import roles
from contact_point.console.roles import (
    APART,
    RULES,
    TWO_PERSONS,
    Act,
    NotPermittedError,
    Role,
    RolesApartError,
    SecondPersonError,
)

# A line for each act: who may do it, in the order of Role, and who may be the second person behind it.
COLUMNS: Final = "RESOCVA"
TABLE: Final = """
see what waits for a person                        RESOC..
see how a decision was made                        RESOC..
open a query                                       R......
mark the probe                                     .E.....
see a candidate                                    .ES....
conclude an examination                            .E.....
resolve a disagreement of examiners                ..S....
determine whether to request further information   ..S....  .ES....
request further information                        R.S....
accept or decline conditions                       ..S....
read the information that was provided             R.S....
use the information that was provided              R.S....
ask for consent to another use                     R.S....
explain the purpose of a query                     R.S....
ask for the purpose of a query                     ..SO...
tell the result of use                             R.S....
ask for the result of use                          .....V.
read the result of use                             .....V.
compose an answer to a request                     ...O...
release further information                        ...O...  ..SO...
refuse further information                         ...O...  ..SO...
provide information without request                ...O...  ..SO...
decide on consent to another use                   ..SO...  ..SO...
notify incorrect information                       ..SO...
take a measure on incorrect information            ..SO...
notify a breach                                    ..S.C..
keep a record beyond its term                      ....C..  ..S.C..
change a quota                                     ..S....  ..S.C..
search the record                                  ....C..
export the record                                  ....C..
see who looked at personal data                    ....C..
see statistics                                     ..S.CV.
make the pack for a consultation                   ....CV.
enrol prints                                       .E.....
take a feed of dispositions                        .E.O...
enter people and change their roles                ......A  ....C.A
read the health of the contact point               ..S...A
"""
ROWS: Final = {line[:49].strip(): line[49:].split() for line in TABLE.strip().splitlines()}


def in_columns(held: frozenset[Role]) -> str:
    return "".join(letter if role in held else "." for role, letter in zip(Role, COLUMNS, strict=True))


def test_the_table_has_a_line_for_every_act_and_no_other() -> None:
    assert sorted(ROWS) == sorted(Act)
    assert RULES.keys() == set(Act)


@pytest.mark.parametrize("act", Act)
@pytest.mark.parametrize("role", Role)
def test_9_a_role_may_do_what_the_table_says_and_nothing_else(role: Role, act: Act) -> None:
    assert roles.may([role], act) == (COLUMNS[list(Role).index(role)] in ROWS[act][0])


@pytest.mark.parametrize("act", Act)
def test_9_the_second_person_behind_an_act_is_of_the_roles_that_the_table_says(act: Act) -> None:
    said = ROWS[act][1:]
    assert ([in_columns(RULES[act].second)] if act in TWO_PERSONS else []) == said
    assert bool(said) == (act in TWO_PERSONS)


@pytest.mark.parametrize("act", Act)
def test_9_nobody_without_a_role_may_do_anything(act: Act) -> None:
    assert not roles.may([], act)
    assert not roles.may(["", "root", "REQUESTER", "superuser"], act)


def test_9_what_cannot_be_undone_takes_two_persons() -> None:
    named = {Act.DETERMINE, Act.RELEASE, Act.CONSENT, Act.REFUSE, Act.HOLD, Act.CHANGE_QUOTA}
    assert named < TWO_PERSONS


def test_9_an_act_that_the_table_does_not_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roles, "RULES", {})
    assert not roles.may(list(Role), Act.EXPORT)
    with pytest.raises(NotPermittedError, match=r"^Art\. 9: nobody may export the record here: ask whoever runs"):
        roles.check(list(Role), Act.EXPORT)
    with pytest.raises(SecondPersonError, match=r"^Art\. 9: to export the record takes no second person"):
        roles.check_second(Act.EXPORT, first="a", second="b", roles=list(Role))


def test_9_a_refusal_says_which_role_it_takes_which_is_held_and_why() -> None:
    roles.check([Role.EXAMINER], Act.SEE_CANDIDATE)
    with pytest.raises(
        NotPermittedError,
        match=r"^Art\. 9: to see a candidate takes the role of examiner or supervisor; you hold requester or compliance "
        r"\(Art\. 8\(3\): the result of a query serves its determination alone\): ask somebody who holds it$",
    ):
        roles.check(["compliance", "requester"], Act.SEE_CANDIDATE)
    with pytest.raises(NotPermittedError, match="; you hold no role "):
        roles.check([], Act.SEE_CANDIDATE)


def test_8_3_the_result_of_a_query_is_for_those_who_determine() -> None:
    assert RULES[Act.SEE_CANDIDATE].who == {Role.EXAMINER, Role.SUPERVISOR}
    assert RULES[Act.DETERMINE].who | RULES[Act.DETERMINE].second == RULES[Act.SEE_CANDIDATE].who


def test_8_6_the_result_of_use_is_read_by_the_reviewer_alone() -> None:
    assert RULES[Act.READ_RESULT].who == {Role.REVIEWER}


def test_9_the_second_person_is_another_one_and_of_the_right_role() -> None:
    roles.check_second(Act.RELEASE, first="a", second="b", roles=[Role.SUPERVISOR])
    with pytest.raises(
        SecondPersonError,
        match=r"^Art\. 9: to release further information takes two persons, and this is the one who began it \(Art\. 5\(2\): "
        r"what was given cannot be taken back \(Art\. 9\)\): let another one who is supervisor or release officer look at it$",
    ):
        roles.check_second(Act.RELEASE, first="a", second="a", roles=[Role.SUPERVISOR])
    with pytest.raises(
        SecondPersonError,
        match=r"^Art\. 9: the second person behind an act to release further information is supervisor or release officer; "
        r"you hold examiner",
    ):
        roles.check_second(Act.RELEASE, first="a", second="b", roles=[Role.EXAMINER])
    with pytest.raises(
        SecondPersonError, match=r"^Art\. 9: to open a query takes no second person: let one do it who may$"
    ):
        roles.check_second(Act.OPEN_QUERY, first="a", second="b", roles=[Role.REQUESTER])


def test_9_every_act_that_takes_two_can_be_done_by_two() -> None:
    for act in TWO_PERSONS:
        assert RULES[act].who, act
        assert RULES[act].second, act


def test_8_6_9_the_roles_that_one_person_may_not_hold_together() -> None:
    apart = {
        *(frozenset({Role.ADMINISTRATOR, role}) for role in Role if role is not Role.ADMINISTRATOR),
        *(
            frozenset({Role.REVIEWER, role})
            for role in (Role.REQUESTER, Role.EXAMINER, Role.SUPERVISOR, Role.RELEASE_OFFICER)
        ),
    }
    assert APART.keys() == apart
    for pair in map(frozenset, combinations(Role, 2)):
        if pair in apart:
            with pytest.raises(
                RolesApartError, match=r"^Art\. (9|8\(6\)): .* are two persons; give one of the two to another$"
            ):
                roles.check_together(pair)
        else:
            assert roles.check_together(pair) == pair


def test_9_no_sum_of_roles_that_are_not_kept_apart_reads_the_result_of_use_and_a_candidate() -> None:
    for many in range(1, len(Role) + 1):
        for held in combinations(Role, many):
            if not (roles.may(held, Act.READ_RESULT) and roles.may(held, Act.SEE_CANDIDATE)):
                continue
            with pytest.raises(RolesApartError):
                roles.check_together(held)


def test_roles_that_are_none_are_refused_by_name() -> None:
    with pytest.raises(
        RolesApartError, match=r"^the roles are requester or examiner .* or administrator; got 'root': choose"
    ):
        roles.check_together(["examiner", "root"])
    with pytest.raises(
        RolesApartError, match=r"^a person who may do nothing has no place here: give one of requester or "
    ):
        roles.check_together([])
