"""What the agreement forbids, one class per rule.

Every error names its article and carries a stable code that travels to the other Party with it. Its message says what was
expected, what came, why and what to do. A caller that acts the same on two rules catches :class:`TreatyError`.
"""

from __future__ import annotations

from typing import ClassVar


class TreatyError(Exception):
    """An act that the agreement does not allow; the subclasses say which clause forbids it."""

    article: ClassVar[str] = ""
    code: ClassVar[str] = ""

    def __str__(self) -> str:
        """Return the message led by the article."""
        return f"Art. {self.article}: {super().__str__()}"


class WrongPartyError(TreatyError):
    """A message speaks for, or to, a Party that its sender, or its receiver, is not."""

    article, code = "3(3)", "3-3.WRONG_PARTY"


class NotSeriousCrimeError(TreatyError):
    """The conduct is not serious crime by the law that counts."""

    article, code = "1(3)", "1-3.NOT_SERIOUS"


class PurposeError(TreatyError):
    """The purpose is not prevention, detection or investigation of serious crime."""

    article, code = "2", "2.PURPOSE"


class NoCircumstancesError(TreatyError):
    """No particular circumstances give reason to inquire."""

    article, code = "4(3)", "4-3.NO_CIRCUMSTANCES"


class BulkQueryError(TreatyError):
    """A query is for one individual."""

    article, code = "4(3)", "4-3.BULK"


class SearchKindError(TreatyError):
    """The prints are not of the search type that the query announces, whose number the arrangement limits."""

    article, code = "4(7)", "4-7.SEARCH"


class PrintQualityError(TreatyError):
    """The print cannot be compared; that is not the same as no match."""

    article, code = "4(4)", "4-4.QUALITY"


class DuplicateTextError(TreatyError):
    """The particular circumstances are those of another case, word for word."""

    article, code = "4(3)", "4-3.DUPLICATE_TEXT"


class OutageError(TreatyError):
    """A notice of an outage says when it begins and ends."""

    article, code = "4(1)", "4-1.OUTAGE"


class UnavailableError(TreatyError):
    """This contact point announced that it cannot be queried now."""

    article, code = "4(1)", "4-1.UNAVAILABLE"

    def __init__(self, message: str, seconds: int) -> None:
        """Say for how many seconds."""
        super().__init__(message)
        self.seconds = seconds


class NoAnswerError(TreatyError):
    """No answer could be given for a technical reason; that is not the same as no match."""

    article, code = "4(4)", "4-4.TECH"


class NoPrintsError(TreatyError):
    """A match comes with the fingerprint data that lets the querying contact point confirm it."""

    article, code = "4(5)", "4-5.NO_PRINTS"


class NotUnfollowedError(TreatyError):
    """An explanation is asked for after a match that no request followed, and after no other answer."""

    article, code = "4(6)", "4-6.NOT_A_MATCH"


class FollowedError(TreatyError):
    """A request followed the match, or may still follow it, so there is nothing to explain."""

    article, code = "4(6)", "4-6.FOLLOWED"


class NoExplanationError(TreatyError):
    """An explanation says the purpose of the query."""

    article, code = "4(6)", "4-6.NO_EXPLANATION"


class NoArrangementError(TreatyError):
    """No implementing arrangement is in force on that day, or none of that name is held."""

    article, code = "4(7)", "4-7.NO_ARRANGEMENT"


class QuotaError(TreatyError):
    """The implementing arrangement's number of queries for the day is used up."""

    article, code = "4(7)", "4-7.QUOTA"


class NotAMatchError(TreatyError):
    """Further information is requested only after a match that the asking contact point was given."""

    article, code = "5(1)", "5-1.NO_MATCH"


class UnconfirmedError(TreatyError):
    """The examiner has not confirmed that the matching prints are the same finger's."""

    article, code = "5(1)", "5-1.UNCONFIRMED"


class NoNotificationError(TreatyError):
    """A request for further information needs its written notification, complete."""

    article, code = "5(1)", "5-1.NO_NOTIFICATION"


class FieldNotAllowedError(TreatyError):
    """An item may not be given: it is not on the Party's list, not relevant, or was not there at the time of receipt."""

    article, code = "5(2)", "5-2.FIELD_NOT_ALLOWED"


class DualCriminalityError(TreatyError):
    """That the conduct is no offence here is not a ground for refusal."""

    article, code = "5(3)", "5-3.DUAL_CRIMINALITY_FORBIDDEN"


class SoleGroundError(TreatyError):
    """That another channel could be used is never the only ground, unless that channel must govern."""

    article, code = "5(4)", "5-4.SOLE_GROUND"


class NoReasonError(TreatyError):
    """A refusal informs of its reasons."""

    article, code = "5(5)", "5-5.NO_REASON"


class NoReasonToBelieveError(TreatyError):
    """Information is provided without request in an individual case, with reason to believe in a serious crime."""

    article, code = "6", "6.NO_REASON"


class BulkProvisionError(TreatyError):
    """Information is provided without request in individual cases: one case at a time, each with its own reason."""

    article, code = "6", "6.BULK"


class NotProvidedError(TreatyError):
    """The result of a use is told to the side that provided the information, and of that information alone."""

    article, code = "7", "7.NOT_PROVIDED_BY_YOU"


class UseError(TreatyError):
    """The information may not be used for that purpose; ``article`` is the clause that forbids it."""

    article, code = "8(5)", "8-5.USE"

    def __init__(self, message: str, article: str) -> None:
        """Take the clause from the refusal of :func:`pcsc.use.may_use`."""
        super().__init__(message)
        self.article = article  # type: ignore[misc]  # the one rule that several clauses carry


class ConsentError(TreatyError):
    """Consent is asked for in writing with its purpose, and given in writing before the use or the release."""

    article, code = "8(5)(2)", "8-5.NO_CONSENT"


class ReleaseError(TreatyError):
    """Information is not released to third States, international bodies or private parties without prior consent."""

    article, code = "8(7)", "8-7.THIRD_PARTY"


class ConditionsError(TreatyError):
    """The conditions of the provision were not accepted, so its content is not to be read."""

    article, code = "8(8)", "8-8.NOT_ACCEPTED"


class RetentionError(TreatyError):
    """Information is retained only so long as a purpose of its needs it."""

    article, code = "8(9)", "8-9.NO_PURPOSE"


class ProtectionError(TreatyError):
    """A breach of protection is notified in writing."""

    article, code = "9", "9.BREACH"


class CorrectionError(TreatyError):
    """Incorrect or unreliable information is notified, and then corrected, deleted or not disclosed."""

    article, code = "10(1)", "10-1.NO_NOTICE"


class RestrictedError(TreatyError):
    """The information is incorrect or unreliable and is not disclosed."""

    article, code = "10(2)", "10-2.RESTRICTED"


class NoAuthorityError(TreatyError):
    """The record identifies the authority conducting the prevention, detection or investigation."""

    article, code = "11(2)(3)", "11-2.NO_AUTHORITY"


class RecordError(TreatyError):
    """The record cannot be written or does not verify."""

    article, code = "11(1)", "11-1.UNRECORDED"


class PoliticalOffenceError(TreatyError):
    """The act is considered a political offence by the Party that queries, requests or uses."""

    article, code = "13(2)", "13-2.POLITICAL"


class ConsultationError(TreatyError):
    """Consultations are about something."""

    article, code = "14(1)", "14-1.NO_MATTER"


class NotInForceError(TreatyError):
    """The agreement is not in force on that day."""

    article, code = "15(1)", "15-1.NOT_IN_FORCE"


class TerminatedError(TreatyError):
    """The agreement was terminated; what it protects stays protected, and nothing new is queried, requested or provided."""

    article, code = "15(4)", "15-4.TERMINATED"


class OutOfOrderError(TreatyError):
    """A step of an exchange was taken before the step it follows, or twice."""

    article, code = "3(4)", "3-4.OUT_OF_ORDER"


class IdempotencyError(TreatyError):
    """A transaction control number came again with another content."""

    article, code = "3(4)", "3-4.NUMBER_REUSED"
