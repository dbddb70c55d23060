// The environment variables of each way a user can point an unmodified client at Keyhaven, and nothing beyond them:
// these objects are what the README tells users to set. A client's environment starts from the caller's without
// anything that could reach another cloud, another proxy or another set of certificates.

const foreign = /^(AZURE|ARM|MSI|IDENTITY|IMDS)_|_PROXY$|^NODE_EXTRA_CA_CERTS$|^SSL_CERT_(FILE|DIR)$|CA_BUNDLE$/i

/** The caller's environment without credentials, proxies and certificate settings. */
export function plainEnvironment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name)))
}

/** How each runtime learns to trust the server's own certificate authority. */
export function trust(base) {
  return {
    NODE_EXTRA_CA_CERTS: base.caFile,
    REQUESTS_CA_BUNDLE: base.caBundleFile,
    SSL_CERT_FILE: base.caBundleFile,
    CURL_CA_BUNDLE: base.caBundleFile,
  }
}

/**
 * Names mode: the server's own host names and port. The tenant `adfs` keeps the identity libraries from asking the
 * public cloud about a login host it does not know.
 */
export function namesMode(base) {
  return {
    ...trust(base),
    AZURE_AUTHORITY_HOST: base.loginUrl,
    AZURE_TENANT_ID: 'adfs',
    AZURE_CLIENT_ID: base.clientId,
    AZURE_CLIENT_SECRET: base.clientSecret,
    KEYHAVEN_MODE: 'names',
    KEYHAVEN_VAULT_URL: base.vaults[0].url,
  }
}

/** Proxy mode: the real names and the real kind of tenant id; the CONNECT proxy ends each tunnel at the server. */
export function proxyMode(base) {
  return {
    ...trust(base),
    HTTPS_PROXY: base.proxyUrl,
    AZURE_TENANT_ID: base.tenantId,
    AZURE_CLIENT_ID: base.clientId,
    AZURE_CLIENT_SECRET: base.clientSecret,
    KEYHAVEN_MODE: 'proxy',
    KEYHAVEN_VAULT_URL: base.vaults[0].realUrl,
  }
}

/** Managed identity mode: the App Service form of the local token endpoint; no secret and no login host. */
export function managedIdentityMode(base) {
  return {
    ...trust(base),
    IDENTITY_ENDPOINT: base.identityEndpoint,
    IDENTITY_HEADER: base.identityHeader,
    KEYHAVEN_MODE: 'managed-identity',
    KEYHAVEN_VAULT_URL: base.vaults[0].url,
  }
}

/**
 * Localhost mode: no name needs resolving. A challenge can never match a bare `localhost`, so the client turns the
 * check off in code; the token comes from the managed identity endpoint, which is an address as well.
 */
export function localhostMode(base) {
  return { ...managedIdentityMode(base), KEYHAVEN_MODE: 'localhost', KEYHAVEN_VAULT_URL: base.defaultVaultUrl }
}
