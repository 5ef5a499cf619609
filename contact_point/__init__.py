"""One Party's national contact point: the imperative shell around the agreement and the matcher.

From the outside in: :mod:`~contact_point.cli` is the command line and :mod:`~contact_point.peer` the API for the other
contact point; both act through :mod:`~contact_point.querying` and :mod:`~contact_point.queried`, the two sides of an exchange,
over :mod:`~contact_point.service`, what they share. Below stand :mod:`~contact_point.store` (the database and the keys of what
it holds), :mod:`~contact_point.holdings` (the gallery), :mod:`~contact_point.wire` and :mod:`~contact_point.nist` (messages and
prints as bytes), :mod:`~contact_point.client`, :mod:`~contact_point.tls`, :mod:`~contact_point.certificates`,
:mod:`~contact_point.keys` and :mod:`~contact_point.settings`. :mod:`~contact_point.main` puts an installation together and
reads the clock.
"""
