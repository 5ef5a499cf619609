"""The agreement as code, pure: time, numbers and bytes come in, values go out.

The words are the agreement's own. An *exchange* is everything that follows from one *query*: its *answer* (a *match* with
its *reference number* and prints, or *no match*), the *determination* whether to request further information, the *request*
with its *written notification*, the *reply*, and what was *provided*. The *querying* contact point asks, the *queried* one
answers; every contact point does both.

In reading order:

    messages                       what the contact points send each other
    exchange, life                 an exchange as a value, and which step may follow which (Articles 4, 5, 6, 8(8))
    matters, ledger                what is asked beside it (4(6), 7, 8(5)(2), 8(7), 10), and what was done with it
    use                            may information be used, or released, for that? (8(3), 8(5)-(8), 10(2), 13(2))
    duties, overview, retention    what may be held, what is owed and by when, and how long (8(1), 8(2), 8(9), 11(3))
    records, traces                what is recorded (11), and why it was decided so, to be decided again
    statistics                     what both Parties consult about (14)
    arrangement, agreement         what the contact points fixed besides (4(7)), and from when to when the agreement holds (15)
    channels, cooperation, authorities, assistance    other channels: which, why, through whom (5(4), 13(1))
    errors                         what is forbidden, one class for each rule
"""
