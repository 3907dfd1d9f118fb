package io.espalier.server;

import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/** What a caller may do; a token names it in lower case. */
public enum Scope {
  /** Ask for lists, and why an item is not in one. */
  SEARCH,
  /** Tell what users did. */
  EVENTS,
  /** Call a stage, an inference server, or follow a catalogue: what servers of a cluster do. */
  STAGE,
  /** Change a catalogue, and look at its writer. */
  CATALOGUE,
  /** Erase users, publish and roll back, load models, list services. */
  ADMIN;

  private static final String OPEN_PROTOCOL = "inference.GRPCInferenceService/";

  /** Whole services by their name's start, and single methods, which go before. */
  private static final Map<String, Scope> METHODS = new HashMap<>();

  static {
    put(
        SEARCH,
        "espalier.router.v1.RouterService/Search",
        "espalier.router.v1.RouterService/Recommend",
        "espalier.router.v1.RouterService/WhyNot");
    put(EVENTS, "espalier.router.v1.RouterService/RecordEvents");
    put(
        STAGE,
        "espalier.rewrite.v1.RewriteService/Rewrite",
        "espalier.retrieval.v1.RetrievalService/Retrieve",
        "espalier.retrieval.v1.RetrievalService/Explain",
        "espalier.ranking.v1.RankingService/Rank",
        "espalier.catalog.v1.CatalogService/Follow",
        OPEN_PROTOCOL + "ServerLive",
        OPEN_PROTOCOL + "ServerReady",
        OPEN_PROTOCOL + "ModelReady",
        OPEN_PROTOCOL + "ServerMetadata",
        OPEN_PROTOCOL + "ModelMetadata",
        OPEN_PROTOCOL + "ModelInfer",
        OPEN_PROTOCOL + "ModelStreamInfer",
        OPEN_PROTOCOL + "ModelConfig",
        OPEN_PROTOCOL + "ModelStatistics",
        OPEN_PROTOCOL + "RepositoryIndex");
    put(
        CATALOGUE,
        "espalier.catalog.v1.CatalogService/Update",
        "espalier.catalog.v1.CatalogService/ListSnapshots",
        "espalier.catalog.v1.CatalogService/Drift");
  }

  private static void put(Scope scope, String... methods) {
    for (String method : methods) {
      METHODS.put(method, scope);
    }
  }

  /** What a method asks for: {@link #ADMIN} for every one that nobody has thought of here. */
  static Scope of(String method) {
    return METHODS.getOrDefault(method, ADMIN);
  }

  /** Whether it is for few, and served at the admin address where there is one. */
  boolean guarded() {
    return this == CATALOGUE || this == ADMIN;
  }

  /** As tokens have it. */
  String text() {
    return name().toLowerCase(Locale.ROOT);
  }
}
