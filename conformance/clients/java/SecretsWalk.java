import com.azure.core.exception.HttpResponseException;
import com.azure.core.exception.ResourceModifiedException;
import com.azure.core.exception.ResourceNotFoundException;
import com.azure.core.http.rest.PagedResponse;
import com.azure.core.util.polling.SyncPoller;
import com.azure.identity.DefaultAzureCredentialBuilder;
import com.azure.security.keyvault.secrets.SecretAsyncClient;
import com.azure.security.keyvault.secrets.SecretClient;
import com.azure.security.keyvault.secrets.SecretClientBuilder;
import com.azure.security.keyvault.secrets.SecretServiceVersion;
import com.azure.security.keyvault.secrets.models.DeletedSecret;
import com.azure.security.keyvault.secrets.models.KeyVaultSecret;
import com.azure.security.keyvault.secrets.models.SecretProperties;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.function.Supplier;

/**
 * What the newest Java SDK does with a vault, one check per line of output. The environment and the JVM's properties
 * decide the mode; the code is what a user would write against the public cloud. The check of the challenge stays on.
 */
public final class SecretsWalk {
  private static final String VAULT_URL = System.getenv("KEYHAVEN_VAULT_URL");
  private static final String PREFIX =
      "java-" + System.getenv("KEYHAVEN_MODE") + "-" + UUID.randomUUID().toString().substring(0, 8) + "-";
  private static final Duration POLLING = Duration.ofMillis(100);
  private static int failures = 0;

  private final SecretClient client = builder().buildClient();
  private final SecretAsyncClient asyncClient = builder().buildAsyncClient();

  private interface Check {
    void run() throws Exception;
  }

  private static SecretClientBuilder builder() {
    return new SecretClientBuilder().vaultUrl(VAULT_URL).credential(new DefaultAzureCredentialBuilder().build());
  }

  public static void main(String[] arguments) {
    SecretsWalk walk = new SecretsWalk();
    check("set and get answer the whole secret", walk::setAndGet);
    check("each version keeps its value and the newest is the default", walk::versions);
    check("values come back unchanged", walk::values);
    check("update changes what is given and keeps the rest", walk::update);
    check("a disabled secret is refused with SecretDisabled", walk::disabled);
    check("missing secrets are SecretNotFound", walk::missing);
    check("lists page as asked and hold every secret once", walk::pages);
    check("delete, recover and purge", walk::life);
    check("backup and restore", walk::backup);
    check("every api-version this release knows", walk::apiVersions);
    check("the asynchronous client", walk::asynchronous);
    System.exit(failures == 0 ? 0 : 1);
  }

  private void setAndGet() {
    OffsetDateTime expires = OffsetDateTime.parse("2050-02-03T04:05:06Z");
    KeyVaultSecret secret = new KeyVaultSecret(PREFIX + "whole", "value");
    secret.setProperties(
        new SecretProperties().setContentType("text/plain").setExpiresOn(expires).setTags(Map.of("owner", "us")));
    KeyVaultSecret set = client.setSecret(secret);
    KeyVaultSecret read = client.getSecret(PREFIX + "whole");
    for (KeyVaultSecret answered : List.of(set, read)) {
      SecretProperties properties = answered.getProperties();
      equal("value", answered.getValue());
      equal(VAULT_URL + "/secrets/" + PREFIX + "whole/" + properties.getVersion(), answered.getId());
      equal("text/plain", properties.getContentType());
      equal(expires.toInstant(), properties.getExpiresOn().toInstant());
      equal(Map.of("owner", "us"), properties.getTags());
      equal(true, properties.isEnabled());
      holds(properties.getRecoveryLevel().contains("Recoverable"));
      holds(properties.getCreatedOn() != null && properties.getUpdatedOn() != null);
    }
  }

  private void versions() {
    String first = client.setSecret(PREFIX + "versions", "first").getProperties().getVersion();
    client.setSecret(PREFIX + "versions", "second");
    equal("second", client.getSecret(PREFIX + "versions").getValue());
    equal("first", client.getSecret(PREFIX + "versions", first).getValue());
    equal(2L, client.listPropertiesOfSecretVersions(PREFIX + "versions").stream().count());
    equal(0L, client.listPropertiesOfSecretVersions(PREFIX + "missing").stream().count());
  }

  private void values() {
    for (String value : List.of("line 1\nline 2\r\n", "Zürich 東京 🔑", "{\"a\":[1,null]}", "x".repeat(25_000))) {
      client.setSecret(PREFIX + "values", value);
      equal(value, client.getSecret(PREFIX + "values").getValue());
    }
  }

  private void update() {
    KeyVaultSecret secret = new KeyVaultSecret(PREFIX + "update", "first");
    secret.setProperties(new SecretProperties().setContentType("keep").setTags(Map.of("keep", "yes")));
    SecretProperties first = client.setSecret(secret).getProperties();
    first.setExpiresOn(OffsetDateTime.parse("2051-01-01T00:00:00Z"));
    SecretProperties updated = client.updateSecretProperties(first);
    equal(first.getVersion(), updated.getVersion());
    equal("keep", updated.getContentType());
    equal(Map.of("keep", "yes"), updated.getTags());
    equal(first.getExpiresOn().toInstant(), updated.getExpiresOn().toInstant());
  }

  private void disabled() {
    SecretProperties properties = client.setSecret(PREFIX + "disabled", "value").getProperties();
    client.updateSecretProperties(properties.setEnabled(false));
    HttpResponseException error = refused(HttpResponseException.class, () -> client.getSecret(PREFIX + "disabled"));
    equal(403, error.getResponse().getStatusCode());
    holds(error.getMessage().contains("SecretDisabled") || error.getMessage().contains("disabled secret"));
  }

  private void missing() {
    String name = PREFIX + "missing";
    List<Supplier<Object>> calls =
        List.of(
            () -> client.getSecret(name),
            () -> client.backupSecret(name),
            () -> client.getDeletedSecret(name),
            () -> client.beginDeleteSecret(name).poll());
    for (Supplier<Object> call : calls) {
      ResourceNotFoundException error = refused(ResourceNotFoundException.class, call);
      equal(404, error.getResponse().getStatusCode());
      holds(error.getMessage().contains("SecretNotFound") || error.getMessage().contains("not found"));
    }
  }

  private void pages() {
    Set<String> made = new HashSet<>();
    for (int index = 0; index < 27; index += 1) {
      made.add(client.setSecret(PREFIX + "page-" + index, "value").getName());
    }
    List<String> seen = new ArrayList<>();
    int pages = 0;
    for (PagedResponse<SecretProperties> page : client.listPropertiesOfSecrets().iterableByPage()) {
      pages += 1;
      page.getValue().forEach(properties -> seen.add(properties.getName()));
    }
    holds(pages >= 2);
    equal(seen.size(), new HashSet<>(seen).size());
    holds(seen.containsAll(made));
  }

  private void life() {
    String name = PREFIX + "life";
    KeyVaultSecret made = client.setSecret(name, "value");
    DeletedSecret deleted = delete(name);
    equal(VAULT_URL + "/deletedsecrets/" + name, deleted.getRecoveryId());
    holds(deleted.getScheduledPurgeDate().isAfter(deleted.getDeletedOn()));
    equal(name, client.getDeletedSecret(name).getName());
    holds(client.listDeletedSecrets().stream().anyMatch(item -> item.getName().equals(name)));
    HttpResponseException taken = refused(ResourceModifiedException.class, () -> client.setSecret(name, "x"));
    equal(409, taken.getResponse().getStatusCode());
    SyncPoller<KeyVaultSecret, Void> recovery = client.beginRecoverDeletedSecret(name).setPollInterval(POLLING);
    recovery.waitForCompletion();
    equal(made.getId(), client.getSecret(name).getId());
    delete(name);
    client.purgeDeletedSecret(name);
    refused(ResourceNotFoundException.class, () -> client.getDeletedSecret(name));
  }

  private void backup() {
    String name = PREFIX + "backup";
    String first = client.setSecret(name, "first").getProperties().getVersion();
    KeyVaultSecret second = client.setSecret(name, "second");
    byte[] backup = client.backupSecret(name);
    refused(ResourceModifiedException.class, () -> client.restoreSecretBackup(backup));
    delete(name);
    client.purgeDeletedSecret(name);
    equal(second.getId(), client.restoreSecretBackup(backup).getId());
    equal("first", client.getSecret(name, first).getValue());
    byte[] malformed = "malformed".getBytes(StandardCharsets.UTF_8);
    HttpResponseException error = refused(HttpResponseException.class, () -> client.restoreSecretBackup(malformed));
    equal(400, error.getResponse().getStatusCode());
    holds(error.getMessage().contains("Backup blob contains invalid or corrupt version."));
  }

  private void apiVersions() {
    for (SecretServiceVersion version : SecretServiceVersion.values()) {
      SecretClient older = builder().serviceVersion(version).buildClient();
      String name = PREFIX + "at-" + version.getVersion().replace('.', '-');
      older.setSecret(name, "value");
      equal("value", older.getSecret(name).getValue());
    }
  }

  private void asynchronous() {
    String name = PREFIX + "async";
    asyncClient.setSecret(name, "value").block();
    equal("value", asyncClient.getSecret(name).block().getValue());
    holds(asyncClient.listPropertiesOfSecrets().any(properties -> properties.getName().equals(name)).block());
    asyncClient.beginDeleteSecret(name).setPollInterval(POLLING).blockLast();
    asyncClient.purgeDeletedSecret(name).block();
  }

  private DeletedSecret delete(String name) {
    SyncPoller<DeletedSecret, Void> deletion = client.beginDeleteSecret(name).setPollInterval(POLLING);
    deletion.waitForCompletion();
    return deletion.poll().getValue();
  }

  private static void check(String sentence, Check check) {
    try {
      check.run();
      System.out.println("ok " + sentence);
    } catch (Exception | AssertionError problem) {
      failures += 1;
      System.out.println("not ok " + sentence + ": " + String.valueOf(problem).replace("\n", " | "));
      problem.printStackTrace();
    }
  }

  private static <E extends Exception> E refused(Class<E> type, Supplier<?> call) {
    try {
      call.get();
    } catch (Exception problem) {
      if (type.isInstance(problem)) return type.cast(problem);
      throw new AssertionError("expected " + type.getSimpleName() + ", got " + problem, problem);
    }
    throw new AssertionError("expected " + type.getSimpleName() + ", but the call succeeded");
  }

  private static void equal(Object expected, Object actual) {
    if (!expected.equals(actual)) throw new AssertionError("expected <" + expected + ">, got <" + actual + ">");
  }

  private static void holds(boolean condition) {
    if (!condition) throw new AssertionError("a condition does not hold");
  }
}
