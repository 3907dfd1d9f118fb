package io.espalier.ranking;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.bundles.Parameters;
import io.espalier.ranking.FusionRanker.ModelVoice;
import io.espalier.ranking.FusionRanker.Scale;
import io.espalier.ranking.FusionRanker.SourceVoice;
import io.espalier.ranking.FusionRanker.Voice;
import java.util.ArrayList;
import java.util.List;

/** Makes fusion rankers of Fusion bundles and the scorers that they name. */
final class FusionLoader {
  private static final String KIND = "log_probability";

  private final BundleRepository repository;
  private final ScorerLoader scorers;

  FusionLoader(BundleRepository repository, ScorerLoader scorers) {
    this.repository = repository;
    this.scorers = scorers;
  }

  FusionRanker load(Bundle bundle) {
    Parameters parameters = bundle.parameters();
    if (!parameters.text("kind", KIND).equals(KIND)) {
      throw parameters.wrong("kind", parameters.text("kind"), KIND);
    }
    Parameters sources = parameters.map("sources");
    if (sources.keys().isEmpty()) {
      throw parameters.wrong("sources", "none", "at least one bundle");
    }
    List<Voice> voices = new ArrayList<>();
    try {
      for (String key : sources.keys()) {
        voices.add(voice(bundle.id(), sources, key));
      }
    } catch (RuntimeException e) {
      new FusionRanker(voices).close();
      throw e;
    }
    return new FusionRanker(voices);
  }

  private Voice voice(BundleId fusion, Parameters sources, String key) {
    BundleId id;
    try {
      id = BundleId.parse(key);
    } catch (IllegalArgumentException e) {
      throw sources.wrong(key, "not a bundle's version", "name@version");
    }
    Parameters own = sources.map(key);
    double weight = own.number("weight");
    double temperature = own.number("temperature", 1);
    double floor = own.number("floor");
    if (!(temperature > 0)) {
      throw own.wrong("temperature", temperature, "> 0");
    }
    Bundle source = repository.get(id);
    if (ScorerLoader.loads(source.system())) {
      source.verify();
      return new ModelVoice(scorers.load(source, fusion), weight, temperature, floor);
    }
    if (temperature != 1) {
      throw own.wrong("temperature", temperature, "1: the source's score is final");
    }
    return switch (source.system()) {
      case "TIGER" -> new SourceVoice(id, Scale.LOG_PROBABILITY, weight, floor);
      case "ItemToItem" -> new SourceVoice(id, Scale.SHARE, weight, floor);
      default -> throw sources.wrong(key, source.system(), "E4SRec, HeterRec, TIGER or ItemToItem");
    };
  }
}
