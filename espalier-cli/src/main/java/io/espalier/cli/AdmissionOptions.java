package io.espalier.cli;

import io.espalier.server.AdmissionConfig;
import io.espalier.server.ConfigFile;
import java.util.LinkedHashMap;
import java.util.Map;
import picocli.CommandLine.Option;

/** Whom the router of one process lets in when more is asked of it than it can do. */
final class AdmissionOptions {
  @Option(
      names = "--admission",
      paramLabel = "KEY=VALUE",
      description = {
        "Whom the router lets in when more is asked of it than it can do, for example adaptive=true,"
            + " tenants.shop.weight=3.",
        "Keys: adaptive, target, least_calls, tenant: {weight, rate, burst}, tenants: {NAME: {weight,"
            + " rate, burst}}. May be given again."
      })
  Map<String, String> settings = new LinkedHashMap<>();

  AdmissionConfig config() {
    return ConfigFile.bind(
        ConfigFile.override(ConfigFile.parse("", "--admission"), settings),
        "--admission",
        AdmissionConfig.class,
        AdmissionConfig.defaults());
  }
}
