#!/bin/sh
# The README's first secret with nothing but curl: a token, one secret set, the same secret read.
# LOGIN_URL, RESOURCE and VAULT_URL differ between names and proxy mode; the rest is the same. Trust and proxy come from
# curl's own variables, CURL_CA_BUNDLE and HTTPS_PROXY.
set -eu

token=$(curl --silent --show-error --fail "$LOGIN_URL/$AZURE_TENANT_ID/oauth2/v2.0/token" \
  --data grant_type=client_credentials \
  --data-urlencode "client_id=$AZURE_CLIENT_ID" \
  --data-urlencode "client_secret=$AZURE_CLIENT_SECRET" \
  --data-urlencode "scope=$RESOURCE/.default" | sed 's/.*"access_token":"\([^"]*\)".*/\1/')

curl --silent --show-error --fail --request PUT "$VAULT_URL/secrets/first-secret?api-version=2025-07-01" \
  --header "Authorization: Bearer $token" \
  --header 'Content-Type: application/json' \
  --data '{"value":"hello"}'
echo

curl --silent --show-error --fail "$VAULT_URL/secrets/first-secret?api-version=2025-07-01" \
  --header "Authorization: Bearer $token"
echo
