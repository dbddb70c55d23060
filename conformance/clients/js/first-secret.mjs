// The README's first secret in JavaScript.
import { DefaultAzureCredential } from '@azure/identity'
import { SecretClient } from '@azure/keyvault-secrets'

const client = new SecretClient(process.env.VAULT_URL, new DefaultAzureCredential())
await client.setSecret('first-secret', 'hello')
const secret = await client.getSecret('first-secret')
console.log(secret.value, secret.properties.id)
