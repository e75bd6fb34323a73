"""Tests that share one laboratory, and what each of them begins with: a session of PostgreSQL in it."""
import unittest

import wire
from lab import Lab


class SharedLab(unittest.TestCase):
    laboratory = Lab
    setting = {}  # what the laboratory is made with

    @classmethod
    def setUpClass(cls):
        cls.lab = cls.laboratory(**cls.setting).__enter__()
        cls.addClassCleanup(cls.lab.__exit__, None, None, None)
        cls.address = cls.lab.virtual_address()

    def session(self, **options):
        """Logged in; `options` are those of Lab.connect. It is closed behind the test."""
        connection = wire.Connection(self.lab.connect(self.address, **options))
        self.addCleanup(connection.socket.close)
        return connection.login()
