package io.espalier.cli;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The directions between the rooms: docs/code-map.md's table, lowest first. */
class ModuleDirectionsTest {
  private static final Set<String> ROOMS =
      Set.of(
          "inference",
          "index",
          "stores",
          "bundles",
          "server",
          "oip",
          "catalog",
          "rewrite",
          "retrieval",
          "ranking",
          "router",
          "shop",
          "cli");

  private static final JavaClasses CLASSES =
      new ClassFileImporter()
          .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
          .importPackages("io.espalier");

  /**
   * A room's own classes; the generated contract ({@code ….v1}, {@code inference.oip}) is proto's.
   */
  private static DescribedPredicate<JavaClass> room(String name) {
    String root = "io.espalier." + name;
    return describe(
        "in " + name,
        type ->
            (type.getPackageName().equals(root) || type.getPackageName().startsWith(root + "."))
                && !type.getPackageName().startsWith(root + ".v1")
                && !type.getPackageName().startsWith(root + ".oip"));
  }

  @ParameterizedTest
  @CsvSource({
    "inference, ''",
    "index, ''",
    "stores, ''",
    "bundles, ''",
    "server, ''",
    "oip, inference server",
    "rewrite, inference index stores bundles server",
    "catalog, inference index stores bundles server",
    "retrieval, inference index stores bundles server catalog",
    "ranking, inference index stores bundles server",
    "router, stores bundles server",
    "shop, ''"
  })
  void room_usesOnlyTheRoomsBelow(String name, String below) {
    Set<String> forbidden = new TreeSet<>(ROOMS);
    forbidden.remove(name);
    for (String allowed : below.split(" ", -1)) {
      forbidden.remove(allowed);
    }
    for (String other : forbidden) {
      noClasses().that(room(name)).should().dependOnClassesThat(room(other)).check(CLASSES);
    }
  }

  @Test
  void pureRooms_knowNoContract() {
    for (String pure : Set.of("index", "stores", "bundles", "shop")) {
      noClasses()
          .that(room(pure))
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage("io.espalier..v1..", "io.grpc..", "com.google.protobuf..")
          .check(CLASSES);
    }
  }

  @Test
  void adaptersOfStores_areKnownToTheProgramAlone() {
    noClasses()
        .that()
        .resideOutsideOfPackages(
            "io.espalier.stores.kafka..",
            "io.espalier.stores.s3..",
            "io.espalier.stores.redis..",
            "io.espalier.cli..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(
            "io.espalier.stores.kafka..", "io.espalier.stores.s3..", "io.espalier.stores.redis..")
        .check(CLASSES);
    noClasses()
        .that()
        .resideOutsideOfPackages("io.espalier.stores.kafka..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("org.apache.kafka..")
        .check(CLASSES);
    noClasses()
        .that()
        .resideOutsideOfPackages("io.espalier.stores.redis..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("io.lettuce..")
        .check(CLASSES);
  }

  @Test
  void engines_stayInTheirPackages() {
    noClasses()
        .that()
        .resideOutsideOfPackages(
            "io.espalier.inference.embedded..", "io.espalier.inference.repository..")
        .should()
        .dependOnClassesThat()
        .resideInAPackage("ai.onnxruntime..")
        .check(CLASSES);
  }
}
