package io.espalier.cli.cluster;

import io.espalier.bundles.BundleRepository;
import io.espalier.inference.embedded.EmbeddedModelRunner;
import io.espalier.oip.InferenceComponent;
import io.espalier.server.EspalierServer;
import io.opentelemetry.api.OpenTelemetry;
import java.nio.file.Files;
import java.nio.file.Path;

/** Builds the server of the embedded engine, which needs models alone: no routes and no data. */
public final class InferenceServer {
  private InferenceServer() {}

  /**
   * A server of the configuration's model repository, with every model that it names loaded.
   *
   * @param version this program's own
   */
  public static EspalierServer.Builder of(
      ServeConfig config, String version, OpenTelemetry telemetry) {
    EmbeddedModelRunner engine =
        new EmbeddedModelRunner(
            models(Path.of(config.modelRepo())), telemetry.getMeter("io.espalier.inference"));
    try {
      return InferenceComponent.start(engine, config.inference(), version, telemetry)
          .install(
              EspalierServer.builder(Stage.INFERENCE.toString(), config.server())
                  .openTelemetry(telemetry))
          .closing(engine);
    } catch (RuntimeException e) {
      engine.close();
      throw e;
    }
  }

  /**
   * The folder of the models. A repository of bundles is verified first: no byte of a model reaches
   * the engine's native code before its checksum has been looked at. A folder of models alone, as
   * Triton takes it, has no checksums.
   */
  private static Path models(Path repository) {
    if (!Files.isDirectory(repository.resolve("bundles"))) {
      return repository;
    }
    BundleRepository bundles = BundleRepository.open(repository);
    bundles.list().forEach(id -> bundles.get(id).verify());
    return bundles.models();
  }
}
