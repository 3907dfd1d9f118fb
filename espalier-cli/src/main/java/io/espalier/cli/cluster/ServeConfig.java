package io.espalier.cli.cluster;

import io.espalier.catalog.SnapshotSettings;
import io.espalier.oip.InferenceSettings;
import io.espalier.retrieval.Decoder;
import io.espalier.router.RecordingConfig;
import io.espalier.router.RouterConfig;
import io.espalier.server.CallerConfig;
import io.espalier.server.ClientChannels;
import io.espalier.server.ConfigFile;
import io.espalier.server.ServerConfig;
import io.espalier.server.TelemetryConfig;
import io.espalier.stores.redis.RedisAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * How one server of a cluster runs by itself; the file of {@code espalier serve --config}.
 *
 * @param server how it listens, limits and stops
 * @param modelRepo the model repository
 * @param data the data folder
 * @param state where a router remembers users' events across restarts: a folder, or {@code
 *     redis[s]://[[user]:password@]host:port[/db][?password_file=FILE][&ca=FILE]}, which routers
 *     share; empty for memory alone
 * @param events where a router logs what it shows and what users do
 * @param features where a ranking server looks up the features of items
 * @param catalogLog where a catalogue's writer keeps its log: a folder, or {@code
 *     kafka://host:port/topic}
 * @param snapshots where a catalogue's snapshots are published and fetched
 * @param rewriteTables a folder of rewrite tables that may not lie in the model repository
 * @param rewriteModelBudget how long a rewrite model is waited for
 * @param decode how retrieval's generative sources decode where they can: {@code stepwise} or
 *     {@code fused}; {@code bundle} leaves it to each
 * @param engine where the models of a stage run
 * @param peers where a router finds the stages
 * @param calls who this server is to the servers that it calls; its token is the server's own where
 *     none is given
 * @param router what a router keeps for further pages of its lists
 * @param recording what a router records of its requests
 * @param inference which models an inference server loads
 * @param telemetry what it tells of itself, and where
 */
public record ServeConfig(
    ServerConfig server,
    String modelRepo,
    String data,
    String state,
    EventSettings events,
    FeatureSettings features,
    String catalogLog,
    Snapshots snapshots,
    String rewriteTables,
    Duration rewriteModelBudget,
    String decode,
    EngineSettings engine,
    Peers peers,
    CallerConfig calls,
    RouterConfig router,
    RecordingConfig recording,
    InferenceSettings inference,
    TelemetryConfig telemetry) {

  /** How long a rewrite model is waited for unless told otherwise. */
  public static final Duration REWRITE_MODEL_BUDGET = Duration.ofMillis(50);

  /**
   * Targets such as {@code 10.0.0.7:7701,10.0.0.8:7701}, a replica each, or {@code
   * dns:///retrieval:7701}, one behind each of the name's addresses.
   *
   * @param catalog the catalogue's writer, for retrieval; empty where the catalogue never changes
   * @param byUser the stages, retrieval or ranking, of which one replica answers all requests of a
   *     user, for as long as it does
   */
  public record Peers(
      String rewrite, String retrieval, String ranking, String catalog, List<Stage> byUser) {
    public Peers {
      notEmpty("rewrite", rewrite);
      notEmpty("retrieval", retrieval);
      notEmpty("ranking", ranking);
      byUser = List.copyOf(byUser);
      for (Stage stage : byUser) {
        if (stage != Stage.RETRIEVAL && stage != Stage.RANKING) {
          throw new IllegalArgumentException(
              "by_user: " + stage + " (expected: retrieval, ranking or both)");
        }
      }
    }

    /** How calls are spread over a stage's replicas. */
    public ClientChannels.Spread spread(Stage stage) {
      return byUser.contains(stage)
          ? ClientChannels.Spread.BY_KEY
          : ClientChannels.Spread.LEAST_CALLS;
    }
  }

  /**
   * Where a catalogue's snapshots are, and when a writer publishes them.
   *
   * @param store where they are published, shared by all servers: a folder, or {@code
   *     s3://bucket[/prefix][?endpoint=URL][&region=NAME]}; empty where none are
   * @param cache a folder of this server's own for what it fetches; empty for a temporary one
   * @param publish when, and how many are kept
   */
  public record Snapshots(String store, String cache, SnapshotSettings publish) {}

  public ServeConfig {
    notEmpty("model_repo", modelRepo);
    notEmpty("data", data);
    if (!List.of("bundle", "stepwise", "fused").contains(decode)) {
      throw new IllegalArgumentException(
          "decode: " + decode + " (expected: bundle, stepwise or fused)");
    }
    events.check(state);
  }

  /** All of it for people to read, without secrets. */
  public String shown() {
    ServeConfig shown =
        new ServeConfig(
            server,
            modelRepo,
            data,
            RedisAddress.withoutSecrets(state),
            events,
            features.withoutSecrets(),
            catalogLog,
            snapshots,
            rewriteTables,
            rewriteModelBudget,
            decode,
            engine,
            peers,
            calls,
            router,
            recording,
            inference,
            telemetry);
    return ConfigFile.print(shown);
  }

  /** Who this server is to the servers that it calls. */
  public CallerConfig caller() {
    return withOwnToken(calls);
  }

  /**
   * Who this server is to those that its models run on. What opens a server that has TLS is sent
   * over nothing less, unless it is given for that.
   */
  public CallerConfig engineCaller() {
    boolean plain = engine.calls().tls().trust().isEmpty();
    return plain && !server.tls().certificate().isEmpty()
        ? engine.calls()
        : withOwnToken(engine.calls());
  }

  private CallerConfig withOwnToken(CallerConfig caller) {
    return caller.token().isEmpty() ? new CallerConfig(caller.tls(), server.authToken()) : caller;
  }

  /** How generative sources decode; null leaves it to each bundle. */
  public @Nullable Decoder decoder() {
    return decode.equals("bundle") ? null : Decoder.valueOf(decode.toUpperCase(Locale.ROOT));
  }

  /** A stage on loopback, at its own port, with its peers at theirs. */
  public static ServeConfig defaults(Stage stage, Path modelRepo, Path data, Path rewriteTables) {
    return new ServeConfig(
        stage.config(),
        modelRepo.toString(),
        data.toString(),
        "",
        EventSettings.defaults(),
        FeatureSettings.defaults(),
        "catalog-log",
        new Snapshots("", "", SnapshotSettings.defaults()),
        rewriteTables.toString(),
        REWRITE_MODEL_BUDGET,
        "bundle",
        EngineSettings.defaults(),
        new Peers(
            "127.0.0.1:" + Stage.REWRITE.port(),
            "127.0.0.1:" + Stage.RETRIEVAL.port(),
            "127.0.0.1:" + Stage.RANKING.port(),
            "",
            List.of()),
        CallerConfig.plain(),
        RouterConfig.defaults(),
        RecordingConfig.none(),
        InferenceSettings.defaults(),
        TelemetryConfig.defaults());
  }

  /** These values under {@code key.path} → value pairs. */
  public ServeConfig with(Map<String, String> overrides) {
    return ConfigFile.bind(
        ConfigFile.override(ConfigFile.parse("", "options"), overrides),
        "options",
        ServeConfig.class,
        this);
  }

  /** These values under a YAML file. */
  public ServeConfig under(Path file) {
    return ConfigFile.bind(ConfigFile.read(file), file.toString(), ServeConfig.class, this);
  }

  private static void notEmpty(String key, String value) {
    if (value.isBlank()) {
      throw new IllegalArgumentException(key + ": empty (expected: not empty)");
    }
  }
}
