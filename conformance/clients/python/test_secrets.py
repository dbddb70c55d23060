"""What the newest Python SDK does with a vault, synchronously and asynchronously.

The environment decides the mode; the code is what a user would write against the public cloud. The check that a
challenge names a parent of the vault's host stays on, except for the bare name localhost, which no challenge can match.
"""

import asyncio
import os
import unittest
import uuid
from datetime import datetime, timezone

from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.identity import ClientSecretCredential, DefaultAzureCredential, ManagedIdentityCredential
from azure.identity.aio import DefaultAzureCredential as AsyncDefaultAzureCredential
from azure.keyvault.secrets import ApiVersion, SecretClient
from azure.keyvault.secrets.aio import SecretClient as AsyncSecretClient

MODE = os.environ["KEYHAVEN_MODE"]
VAULT_URL = os.environ["KEYHAVEN_VAULT_URL"]
RUN = uuid.uuid4().hex[:8]
OPTIONS = {"verify_challenge_resource": False} if MODE == "localhost" else {}
EXPIRES = datetime(2050, 2, 3, 4, 5, 6, tzinfo=timezone.utc)
NOT_BEFORE = datetime(2030, 1, 1, 1, 1, 1, tzinfo=timezone.utc)


def name_of(what):
    return f"py-{MODE}-{RUN}-{what}"


class Synchronous(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.credential = DefaultAzureCredential()
        cls.client = SecretClient(VAULT_URL, cls.credential, **OPTIONS)

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        cls.credential.close()

    def delete(self, name):
        poller = self.client.begin_delete_secret(name, _polling_interval=0)
        poller.wait()
        return poller.result()

    def test_set_and_get_answer_the_whole_secret(self):
        made = self.client.set_secret(
            name_of("whole"),
            "value",
            content_type="text/plain",
            tags={"owner": "conformance"},
            expires_on=EXPIRES,
            not_before=NOT_BEFORE,
            enabled=True,
        )
        read = self.client.get_secret(name_of("whole"))
        for secret in (made, read):
            self.assertEqual(secret.value, "value")
            self.assertEqual(secret.id, f"{VAULT_URL}/secrets/{name_of('whole')}/{secret.properties.version}")
            self.assertEqual(secret.properties.vault_url, VAULT_URL)
            self.assertEqual(secret.properties.content_type, "text/plain")
            self.assertEqual(secret.properties.tags, {"owner": "conformance"})
            self.assertEqual(secret.properties.expires_on, EXPIRES)
            self.assertEqual(secret.properties.not_before, NOT_BEFORE)
            self.assertTrue(secret.properties.enabled)
            self.assertIsNotNone(secret.properties.created_on)
            self.assertIn("Recoverable", secret.properties.recovery_level)
            self.assertTrue(7 <= secret.properties.recoverable_days <= 90)
            self.assertIsNone(secret.properties.key_id)
        self.assertEqual(made.properties.version, read.properties.version)

    def test_each_version_keeps_its_value_and_the_newest_is_the_default(self):
        first = self.client.set_secret(name_of("versions"), "first", tags={"step": "1"})
        second = self.client.set_secret(name_of("versions"), "second")
        self.assertEqual(self.client.get_secret(name_of("versions")).value, "second")
        self.assertEqual(self.client.get_secret(name_of("versions"), first.properties.version).value, "first")
        self.assertFalse(second.properties.tags)
        listed = list(self.client.list_properties_of_secret_versions(name_of("versions")))
        self.assertEqual({p.version for p in listed}, {first.properties.version, second.properties.version})

    def test_values_come_back_unchanged(self):
        for value in ("line 1\nline 2\r\n", "Zürich 東京 🔑", "", '{"a":[1,null]}', "x" * 25_000):
            with self.subTest(length=len(value)):
                self.client.set_secret(name_of("values"), value)
                self.assertEqual(self.client.get_secret(name_of("values")).value, value)

    def test_update_changes_what_is_given_and_keeps_the_rest(self):
        name = name_of("update")
        first = self.client.set_secret(name, "first", content_type="keep", tags={"keep": "yes"})
        self.client.set_secret(name, "second")
        updated = self.client.update_secret_properties(name, first.properties.version, expires_on=EXPIRES)
        self.assertEqual(updated.expires_on, EXPIRES)
        self.assertEqual(updated.content_type, "keep")
        self.assertEqual(updated.tags, {"keep": "yes"})
        self.assertEqual(updated.version, first.properties.version)
        newest = self.client.update_secret_properties(name, tags={"only": "newest"}, content_type="text/html")
        self.assertNotEqual(newest.version, first.properties.version)
        self.assertEqual(newest.tags, {"only": "newest"})
        self.assertGreaterEqual(newest.updated_on, newest.created_on)

    def test_a_disabled_secret_is_refused(self):
        self.client.set_secret(name_of("disabled"), "value", enabled=False)
        with self.assertRaises(HttpResponseError) as caught:
            self.client.get_secret(name_of("disabled"))
        self.assertEqual(caught.exception.status_code, 403)
        self.assertEqual(caught.exception.error.code, "Forbidden")
        self.assertEqual(caught.exception.error.innererror["code"], "SecretDisabled")

    def test_missing_secrets_are_not_found(self):
        missing = name_of("missing")
        for call in (
            lambda: self.client.get_secret(missing),
            lambda: self.client.update_secret_properties(missing, enabled=True),
            lambda: self.client.begin_delete_secret(missing),
            lambda: self.client.backup_secret(missing),
            lambda: self.client.get_deleted_secret(missing),
            lambda: self.client.begin_recover_deleted_secret(missing),
            lambda: self.client.purge_deleted_secret(missing),
        ):
            with self.assertRaises(ResourceNotFoundError) as caught:
                call()
            self.assertEqual(caught.exception.error.code, "SecretNotFound")
        self.assertEqual(list(self.client.list_properties_of_secret_versions(missing)), [])

    def test_lists_page_as_asked_and_hold_every_secret_once(self):
        names = {name_of(f"page-{index}") for index in range(5)}
        for name in names:
            self.client.set_secret(name, "value", tags={"page": "yes"})
        seen = []
        for page in self.client.list_properties_of_secrets(max_page_size=2).by_page():
            items = list(page)
            self.assertLessEqual(len(items), 2)
            seen.extend(item.name for item in items)
        self.assertEqual(len(seen), len(set(seen)))
        self.assertTrue(names <= set(seen))

    def test_more_versions_than_a_page_holds(self):
        made = {self.client.set_secret(name_of("many"), str(index)).properties.version for index in range(27)}
        listed = [item.version for item in self.client.list_properties_of_secret_versions(name_of("many"))]
        self.assertEqual(len(listed), 27)
        self.assertEqual(set(listed), made)

    def test_delete_recover_and_purge(self):
        name = name_of("life")
        made = self.client.set_secret(name, "value", tags={"keep": "yes"})
        deleted = self.delete(name)
        self.assertEqual(deleted.name, name)
        self.assertEqual(deleted.recovery_id, f"{VAULT_URL}/deletedsecrets/{name}")
        self.assertEqual((deleted.scheduled_purge_date - deleted.deleted_date).days, made.properties.recoverable_days)
        self.assertEqual(self.client.get_deleted_secret(name).properties.tags, {"keep": "yes"})
        self.assertIn(name, {item.name for item in self.client.list_deleted_secrets()})
        with self.assertRaises(ResourceNotFoundError):
            self.client.get_secret(name)
        with self.assertRaises(ResourceExistsError) as caught:
            self.client.set_secret(name, "again")
        self.assertEqual(caught.exception.error.code, "Conflict")
        self.assertEqual(caught.exception.error.innererror["code"], "ObjectIsDeletedButRecoverable")
        poller = self.client.begin_recover_deleted_secret(name, _polling_interval=0)
        poller.wait()
        self.assertEqual(poller.result().version, made.properties.version)
        self.assertEqual(self.client.get_secret(name).value, "value")
        self.delete(name)
        self.client.purge_deleted_secret(name)
        with self.assertRaises(ResourceNotFoundError):
            self.client.get_deleted_secret(name)

    def test_backup_and_restore(self):
        name = name_of("backup")
        first = self.client.set_secret(name, "first")
        second = self.client.set_secret(name, "second", tags={"keep": "yes"})
        backup = self.client.backup_secret(name)
        self.assertIsInstance(backup, bytes)
        with self.assertRaises(ResourceExistsError):
            self.client.restore_secret_backup(backup)
        self.delete(name)
        self.client.purge_deleted_secret(name)
        restored = self.client.restore_secret_backup(backup)
        self.assertEqual(restored.id, second.id)
        self.assertEqual(restored.tags, {"keep": "yes"})
        self.assertEqual(self.client.get_secret(name, first.properties.version).value, "first")
        with self.assertRaises(HttpResponseError) as caught:
            self.client.restore_secret_backup(b"malformed")
        self.assertEqual(caught.exception.status_code, 400)
        self.assertIn("Backup blob contains invalid or corrupt version.", caught.exception.message)

    def test_every_published_api_version(self):
        for version in ApiVersion:
            with self.subTest(version=version.value):
                with SecretClient(VAULT_URL, self.credential, api_version=version, **OPTIONS) as client:
                    name = name_of(f"at-{version.value.replace('.', '-')}")
                    client.set_secret(name, version.value)
                    self.assertEqual(client.get_secret(name).value, version.value)

    def test_a_credential_made_in_code(self):
        if "AZURE_CLIENT_SECRET" not in os.environ:
            with ManagedIdentityCredential() as credential, SecretClient(VAULT_URL, credential, **OPTIONS) as client:
                self.assertEqual(client.set_secret(name_of("own-credential"), "value").value, "value")
            return
        tenant, client_id = os.environ["AZURE_TENANT_ID"], os.environ["AZURE_CLIENT_ID"]
        with ClientSecretCredential(tenant, client_id, "not-the-secret") as credential:
            with SecretClient(VAULT_URL, credential, **OPTIONS) as client:
                with self.assertRaises(ClientAuthenticationError) as caught:
                    client.get_secret(name_of("whole"))
        self.assertIn("AADSTS7000215", caught.exception.message)


class Asynchronous(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.credential = AsyncDefaultAzureCredential()
        self.client = AsyncSecretClient(VAULT_URL, self.credential, **OPTIONS)

    async def asyncTearDown(self):
        await self.client.close()
        await self.credential.close()

    async def test_set_get_update_and_list(self):
        name = name_of("async")
        made = await self.client.set_secret(name, "first", content_type="keep", expires_on=EXPIRES)
        await self.client.set_secret(name, "second")
        self.assertEqual((await self.client.get_secret(name)).value, "second")
        self.assertEqual((await self.client.get_secret(name, made.properties.version)).value, "first")
        updated = await self.client.update_secret_properties(name, made.properties.version, tags={"a": "b"})
        self.assertEqual((updated.content_type, updated.expires_on, updated.tags), ("keep", EXPIRES, {"a": "b"}))
        self.assertIn(name, [item.name async for item in self.client.list_properties_of_secrets(max_page_size=2)])
        self.assertEqual(len([item async for item in self.client.list_properties_of_secret_versions(name)]), 2)
        self.assertEqual([item async for item in self.client.list_properties_of_secret_versions(name_of("no"))], [])

    async def test_delete_recover_backup_purge_and_restore(self):
        name = name_of("async-life")
        made = await self.client.set_secret(name, "value")
        deleted = await self.client.delete_secret(name, _polling_interval=0)
        self.assertEqual(deleted.recovery_id, f"{VAULT_URL}/deletedsecrets/{name}")
        self.assertEqual((await self.client.get_deleted_secret(name)).name, name)
        self.assertIn(name, [item.name async for item in self.client.list_deleted_secrets()])
        await self.client.recover_deleted_secret(name, _polling_interval=0)
        backup = await self.client.backup_secret(name)
        await self.client.delete_secret(name, _polling_interval=0)
        await self.client.purge_deleted_secret(name)
        self.assertEqual((await self.client.restore_secret_backup(backup)).id, made.id)
        self.assertEqual((await self.client.get_secret(name)).value, "value")

    async def test_refusals(self):
        with self.assertRaises(ResourceNotFoundError) as caught:
            await self.client.get_secret(name_of("missing"))
        self.assertEqual(caught.exception.error.code, "SecretNotFound")
        await self.client.set_secret(name_of("async-disabled"), "value", enabled=False)
        with self.assertRaises(HttpResponseError) as caught:
            await self.client.get_secret(name_of("async-disabled"))
        self.assertEqual(caught.exception.status_code, 403)

    async def test_many_calls_at_once(self):
        names = [name_of(f"async-{index}") for index in range(20)]
        await asyncio.gather(*(self.client.set_secret(name, name) for name in names))
        read = await asyncio.gather(*(self.client.get_secret(name) for name in names))
        self.assertEqual([secret.value for secret in read], names)


if __name__ == "__main__":
    unittest.main(verbosity=2)
