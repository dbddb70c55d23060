import com.azure.identity.DefaultAzureCredentialBuilder;
import com.azure.security.keyvault.secrets.SecretClient;
import com.azure.security.keyvault.secrets.SecretClientBuilder;
import com.azure.security.keyvault.secrets.models.KeyVaultSecret;

/** The README's first secret in Java. */
public final class FirstSecret {
  public static void main(String[] arguments) {
    SecretClient client =
        new SecretClientBuilder()
            .vaultUrl(System.getenv("VAULT_URL"))
            .credential(new DefaultAzureCredentialBuilder().build())
            .buildClient();
    client.setSecret("first-secret", "hello");
    KeyVaultSecret secret = client.getSecret("first-secret");
    System.out.println(secret.getValue() + " " + secret.getId());
  }
}
