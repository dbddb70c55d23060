/**
 * The challenge that goes with every 401. Clients are strict about its form: both values quoted, a comma and a space
 * between the pairs, no final slash, and a resource that is a parent of the host with the same port (reference: clients,
 * section 0).
 */
export function vaultChallenge(loginUrl: string, tenantId: string, resource: string): string {
  return `Bearer authorization="${loginUrl}/${tenantId}", resource="${resource}"`
}

export function resourceManagerChallenge(loginUrl: string, tenantId: string): string {
  return `Bearer authorization_uri="${loginUrl}/${tenantId}", error="invalid_token", error_description="The access token is missing or invalid."`
}
