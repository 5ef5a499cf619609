"""Fingerprint data as ANSI/NIST-ITL transactions: the form in which the biometric systems of both Parties speak.

In reading order:

- :mod:`~contact_point.nist.transaction`: what a transaction is, whatever encodes it: records of fields, and its errors;
- :mod:`~contact_point.nist.traditional`: the traditional encoding (ANSI/NIST-ITL 1-2011, Annex B), read and written. It stands
  on :mod:`~contact_point.nist.tagged` and :mod:`~contact_point.nist.binary`, the two kinds of records,
  :mod:`~contact_point.nist.content`, the list of records 1.003, and :mod:`~contact_point.nist.deviations`, what reading
  forgives, by codes;
- :mod:`~contact_point.nist.niem`: the XML encoding (Annex C), read as the same fields;
- :mod:`~contact_point.nist.headers`: what an image says of itself in its first bytes;
- :mod:`~contact_point.nist.profiles`: what each field is called and may hold, by the standard, INTERPOL and the FBI, and in
  what a transaction differs. :mod:`~contact_point.nist.rules` is the form of these tables, which are data in ``tables/``;
- :mod:`~contact_point.nist.minutiae`: the sets of minutiae of Type-9, as templates that the matcher compares;
- :mod:`~contact_point.nist.jailed` and :mod:`~contact_point.nist.reading`: both encodings read in the jail, seen from inside
  and from outside;
- :mod:`~contact_point.nist.agreed`: what the Parties agreed to send each other, which is far narrower.
"""
