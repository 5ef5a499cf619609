"""The duty roster: who is on duty, and where the week has a gap."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import pytest

from contact_point.roster import Gap, Roster, RosterError, read_roster

if TYPE_CHECKING:
    from pathlib import Path

SUNDAY: Final = datetime(2026, 11, 22, tzinfo=UTC)
ALL: Final = "'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'"


def shift(who: str, days: str, begins: str, ends: str) -> str:
    return f"[[shifts]]\nwho = '{who}'\ncontact = '+81-3'\ndays = [{days}]\nbegins = {begins}:00\nends = {ends}:00\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "roster.toml"


def rostered(path: Path, *shifts: str) -> Roster:
    path.write_text("".join(shifts))
    return read_roster(path)


def on_duty(roster: Roster, at: datetime) -> list[str]:
    return [each.who for each in roster.on_duty(at)]


def test_the_example_covers_the_week(path: Path) -> None:
    path.write_bytes(files("contact_point").joinpath("models/roster.toml").read_bytes())
    roster = read_roster(path)
    assert roster.gaps() == ()
    for hour in range(7 * 24):
        assert len(roster.on_duty(SUNDAY + timedelta(hours=hour))) == 1


def test_hours_begin_with_their_first_second_and_end_before_their_last(path: Path) -> None:
    roster = rostered(path, shift("day", "'Sunday'", "08:00", "20:00"), shift("second", "'Sunday'", "19:00", "21:00"))
    eight = SUNDAY.replace(hour=8)
    assert on_duty(roster, eight - timedelta(seconds=1)) == []
    assert on_duty(roster, eight) == ["day"]
    assert on_duty(roster, SUNDAY.replace(hour=19)) == ["day", "second"]
    assert on_duty(roster, SUNDAY.replace(hour=20)) == ["second"]


def test_hours_are_utc_wherever_the_time_is_from(path: Path) -> None:
    roster = rostered(path, shift("day", "'Sunday'", "22:00", "23:00"))
    tokyo = datetime(2026, 11, 23, 7, 30, tzinfo=timezone(timedelta(hours=9)))
    assert on_duty(roster, tokyo) == ["day"]


def test_a_night_ends_on_the_next_day_also_over_the_turn_of_the_week(path: Path) -> None:
    roster = rostered(path, shift("night", "'Sunday'", "22:00", "06:00"))
    monday = SUNDAY - timedelta(days=6)
    assert on_duty(roster, monday.replace(hour=5)) == ["night"]
    assert on_duty(roster, monday.replace(hour=6)) == []
    assert on_duty(roster, SUNDAY.replace(hour=23)) == ["night"]
    assert roster.gaps() == (Gap("Monday 06:00", "Sunday 22:00"),)


def test_the_same_hour_twice_is_a_whole_day(path: Path) -> None:
    assert rostered(path, shift("all", ALL, "08:00", "08:00")).gaps() == ()


def test_gaps_are_named_and_one_over_the_turn_of_the_week_is_one(path: Path) -> None:
    roster = rostered(
        path,
        shift("days", "'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday'", "08:00", "18:30"),
        shift("nights", "'Monday', 'Tuesday', 'Wednesday', 'Thursday'", "18:00", "08:00"),
    )
    assert roster.gaps() == (Gap("Friday 18:30", "Monday 08:00"),)
    two = rostered(path, shift("day", "'Tuesday', 'Thursday'", "00:00", "00:00"))
    assert two.gaps() == (Gap("Wednesday 00:00", "Thursday 00:00"), Gap("Friday 00:00", "Tuesday 00:00"))


def test_a_missing_roster_says_how_to_write_one(path: Path) -> None:
    with pytest.raises(RosterError, match=r"there is no roster at .*roster\.toml: `pcsc example roster` prints one"):
        read_roster(path)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", r"roster\.toml: shifts: "),
        ("shifts = []", r"roster\.toml: shifts: Tuple should have at least 1 item"),
        ("\n[[shifts]]\nwho = \n", r"roster\.toml is not TOML: Invalid value \(at line 3"),
        (
            shift(" ", ALL, "00:00", "09:00"),
            r"roster\.toml: shifts\.0: .*how to call them and on which days; 'who' is empty",
        ),
        (shift("a", "", "00:00", "09:00"), r"shifts\.0: .*'days' is empty"),
        (shift("a", "'Sonntag'", "00:00", "09:00"), r"shifts\.0\.days\.0: Input should be 'Monday'"),
        (shift("a", ALL, "00:00", "09:00") + "from = 1\n", r"shifts\.0\.from: Unexpected keyword argument"),
    ],
)
def test_a_fault_is_named_by_file_and_line_or_key(path: Path, text: str, fault: str) -> None:
    path.write_text(text)
    with pytest.raises(RosterError, match=fault):
        read_roster(path)


def test_a_roster_that_is_no_text_is_no_toml(path: Path) -> None:
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(RosterError, match="is not TOML"):
        read_roster(path)
