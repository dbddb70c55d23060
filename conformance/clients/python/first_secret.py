"""The README's first secret in Python."""

import os

from azure.identity import DefaultAzureCredential
from azure.keyvault.secrets import SecretClient

client = SecretClient(os.environ["VAULT_URL"], DefaultAzureCredential())
client.set_secret("first-secret", "hello")
secret = client.get_secret("first-secret")
print(secret.value, secret.id)
