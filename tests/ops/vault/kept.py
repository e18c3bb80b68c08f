"""A vault for tests: cheap to unlock, and everything that it is asked is noted."""

from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError
from tests.fakes.clock import FakeClock

from evenkeel.ops.secret import Secret
from evenkeel.ops.vault.keys import Argon2Costs, PassphraseKey
from evenkeel.ops.vault.vault import Vault

CHEAP = Argon2Costs(memory_kib=32, passes=1, lanes=1)
PASSPHRASE = "correct horse battery"


def key(passphrase=PASSPHRASE, costs=CHEAP):
    return PassphraseKey(Secret(passphrase), costs=costs)


def create(path, *, source=None, audit=lambda event: None):
    return Vault.create(path, source or key(), audit=audit, actor="ada", clock=FakeClock())


def unlock(path, *, source=None, audit=lambda event: None):
    return Vault.open(path, source or key(), audit=audit, actor="ada", clock=FakeClock())


class MemoryKeyring(KeyringBackend):
    """A keyring as the library's own would be."""

    priority = 1

    def __init__(self):
        self.kept = {}
        self.trouble = None

    def get_password(self, service, username):
        if self.trouble:
            raise self.trouble
        return self.kept.get((service, username))

    def set_password(self, service, username, password):
        self.kept[service, username] = password

    def delete_password(self, service, username):
        if (service, username) not in self.kept:
            raise PasswordDeleteError
        del self.kept[service, username]
