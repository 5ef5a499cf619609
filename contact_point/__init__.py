"""One Party's national contact point: the imperative shell around the agreement and the matcher.

From the outside in: :mod:`~contact_point.cli` is the command line and :mod:`~contact_point.peer` the API for the other
contact point; both act through :mod:`~contact_point.querying` and :mod:`~contact_point.queried`, the two sides of an exchange,
over :mod:`~contact_point.service`, what they share. Below stand :mod:`~contact_point.store` (the database and the keys of what
it holds) and :mod:`~contact_point.holdings` (the gallery), which :mod:`~contact_point.enrolment` fills.

Prints come in through :mod:`~contact_point.prints`, which makes them of whatever file :mod:`~contact_point.files` can read:
transactions (:mod:`~contact_point.nist`), identity cards (:mod:`~contact_point.cbeff`, signed as :mod:`~contact_point.cms`
reads it), records and images (:mod:`matcher.formats`, :mod:`matcher.images`). Messages are bytes in
:mod:`~contact_point.wire`, and travel by :mod:`~contact_point.transport` and :mod:`~contact_point.tls`, with the keys of
:mod:`~contact_point.certificates` and :mod:`~contact_point.keys`. :mod:`~contact_point.settings` says what this installation
is; :mod:`~contact_point.main` puts it together and reads the clock.
"""
