"""Fingerprint data as ANSI/NIST-ITL transactions: the form in which the biometric systems of both Parties speak.

:mod:`~contact_point.nist.transaction` is what a transaction is: records of fields. The traditional encoding (ANSI/NIST-ITL
1-2011, Annex B) is in :mod:`~contact_point.nist.traditional`, the XML one in :mod:`~contact_point.nist.niem`. What a field
is called and may hold, by the standard, INTERPOL and the FBI, is data, applied by :mod:`~contact_point.nist.profiles`;
:mod:`~contact_point.nist.minutiae` reads the feature sets of Type-9. What the Parties agreed to send each other is narrower,
and stands in :mod:`~contact_point.nist.agreed`.
"""
