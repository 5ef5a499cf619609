"""The console: what the people of one contact point do with it, in a browser.

The people are here, without a page:

- :mod:`~contact_point.console.roles`: who may do what, and what takes two persons;
- :mod:`~contact_point.console.people`: who is entered, in two persons' hands;
- :mod:`~contact_point.console.passkeys` and :mod:`~contact_point.console.oidc`: how they show who they are;
- :mod:`~contact_point.console.sessions`: for how long that holds;
- :mod:`~contact_point.console.lockout`: who is made to wait;
- :mod:`~contact_point.console.once`: what is good for one use and a short time.
"""
