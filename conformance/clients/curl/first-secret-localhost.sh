#!/bin/sh
# The shortest first secret: no host name, no client secret. The token comes from the managed identity endpoint.
set -eu

token=$(curl --silent --show-error --fail --get "$IDENTITY_ENDPOINT" \
  --header "X-IDENTITY-HEADER: $IDENTITY_HEADER" \
  --data api-version=2019-08-01 \
  --data-urlencode resource=https://vault.azure.net | sed 's/.*"access_token":"\([^"]*\)".*/\1/')

curl --silent --show-error --fail --request PUT "$VAULT_URL/secrets/first-secret?api-version=2025-07-01" \
  --header "Authorization: Bearer $token" \
  --header 'Content-Type: application/json' \
  --data '{"value":"hello"}'
echo

curl --silent --show-error --fail "$VAULT_URL/secrets/first-secret?api-version=2025-07-01" \
  --header "Authorization: Bearer $token"
echo
