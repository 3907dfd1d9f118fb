package io.espalier.cli.cluster;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The files of {@code k8s/monitoring}, and the programs that read them. */
final class Monitoring {
  static final Path ROOT = Path.of(System.getProperty("espalier.root"));
  static final Path FOLDER = ROOT.resolve("k8s/monitoring");
  static final Path ALERTS = FOLDER.resolve("alerts.yaml");

  private static final Pattern METRIC = Pattern.compile("\\b(?:espalier|rpc)_[a-z0-9_]+");

  private Monitoring() {}

  /** An alert's rule. */
  record Alert(String name, String expression) {}

  static List<Alert> alerts() throws IOException {
    List<Alert> alerts = new ArrayList<>();
    for (JsonNode group : new YAMLMapper().readTree(ALERTS.toFile()).path("groups")) {
      for (JsonNode rule : group.path("rules")) {
        alerts.add(new Alert(rule.path("alert").asText(), rule.path("expr").asText()));
      }
    }
    return alerts;
  }

  /** What the dashboard asks, with its variables filled in as for all servers. */
  static List<String> dashboard() throws IOException {
    List<String> expressions = new ArrayList<>();
    for (JsonNode panel :
        new ObjectMapper().readTree(FOLDER.resolve("dashboard.json").toFile()).path("panels")) {
      for (JsonNode target : panel.path("targets")) {
        expressions.add(
            target.path("expr").asText().replace("$job", ".*").replace("$__rate_interval", "5m"));
      }
    }
    return expressions;
  }

  /** The metrics that an expression names. */
  static Set<String> metrics(String expression) {
    String withoutLabels =
        expression
            .replaceAll("\\{[^}]*}", " ")
            .replaceAll("\\b(?:by|without|on|ignoring)\\s*\\([^)]*\\)", " ");
    Set<String> metrics = new TreeSet<>();
    Matcher matcher = METRIC.matcher(withoutLabels);
    while (matcher.find()) {
      metrics.add(matcher.group());
    }
    return metrics;
  }

  /** A program on the path. */
  static Optional<Path> program(String name) {
    for (String folder : System.getenv().getOrDefault("PATH", "").split(File.pathSeparator, -1)) {
      Path program = Path.of(folder, name);
      if (Files.isExecutable(program)) {
        return Optional.of(program);
      }
    }
    return Optional.empty();
  }
}
