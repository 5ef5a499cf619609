"""The agreement as code, pure: time, numbers and bytes come in, values go out.

The words are the agreement's own. An *exchange* is everything that follows from one *query*: its *answer* (a *match* with
its *reference number* and prints, or *no match*), the *determination* whether to request further information, the *request*
with its *written notification*, the *reply*, and what was *provided*. The *querying* contact point asks, the *queried* one
answers; every contact point does both.

:mod:`~pcsc.messages` says what is sent, :mod:`~pcsc.exchange` which step may follow which, :mod:`~pcsc.duties` what may be
held and what is owed, :mod:`~pcsc.use` what information may be used for, :mod:`~pcsc.records` what is recorded and how it is
verified, :mod:`~pcsc.arrangement` what the two contact points have agreed beyond the agreement, and :mod:`~pcsc.errors` what
is forbidden.
"""
