package io.espalier.rewrite;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleException;
import io.espalier.bundles.Parameters;
import io.espalier.inference.DataType;
import io.espalier.inference.ModelCall;
import io.espalier.inference.ModelException;
import io.espalier.inference.ModelException.Reason;
import io.espalier.inference.ModelRunner;
import io.espalier.inference.Tensor;
import io.espalier.inference.text.TextTokenizer;
import io.espalier.inference.text.TokenIds;
import io.espalier.rewrite.Rewrite.Origin;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** The small model that writes rewrites: one encoder call, then a decoder call for each token. */
final class BequeModel implements AutoCloseable {
  private final ModelRunner runner;
  private final TextTokenizer tokenizer;
  private final String encoder;
  private final String decoder;
  private final long startToken;
  private final long endToken;
  private final int maxTokens;
  private final int beam;
  private final double minLogProb;

  private BequeModel(Bundle bundle, ModelRunner runner, TextTokenizer tokenizer) {
    Parameters parameters = bundle.parameters();
    this.runner = runner;
    this.tokenizer = tokenizer;
    this.encoder = bundle.model("encoder");
    this.decoder = bundle.model("decoder");
    this.startToken = parameters.integer("start_token");
    this.endToken = parameters.integer("end_token");
    this.maxTokens = parameters.size("max_tokens");
    this.beam = parameters.integer("beam");
    this.minLogProb = parameters.number("min_log_prob", -1e9);
    int rows = runner.spec(decoder).maxBatchSize();
    if (beam < 1 || (rows > 0 && beam > rows)) {
      throw parameters.wrong("beam", beam, "1.." + rows + ", the decoder's max_batch_size");
    }
  }

  static BequeModel load(Bundle bundle, ModelRunner runner) {
    TextTokenizer tokenizer;
    try {
      tokenizer = TextTokenizer.load(bundle.file("tokenizer"));
    } catch (IOException e) {
      throw new BundleException("bundle " + bundle.id() + ": " + e.getMessage(), e);
    }
    try {
      return new BequeModel(bundle, runner, tokenizer);
    } catch (RuntimeException e) {
      tokenizer.close();
      throw e;
    }
  }

  /** The names of its models. */
  List<String> models() {
    return List.of(encoder, decoder);
  }

  /**
   * Writes rewrites of a query, best first; waits for the model.
   *
   * @throws ModelException when it fails or the deadline passes
   */
  List<Rewrite> write(String query, long deadlineNanos) {
    TokenIds tokens = tokenizer.encode(query, maxTokens);
    Tensor mask = tokens.mask();
    Tensor hidden =
        call(
            encoder,
            Map.of("input_ids", tokens.ids(), "attention_mask", mask),
            "hidden",
            deadlineNanos);
    TokenBeams beams = new TokenBeams(beam, startToken, endToken);
    Tensor hiddenRows = hidden;
    Tensor maskRows = mask;
    for (int length = 1; length <= maxTokens && !beams.isDone(); length++) {
      int rows = beams.open().size();
      if (hiddenRows.dim(0) != rows) {
        hiddenRows = repeat(hidden, rows);
        maskRows = repeat(mask, rows);
      }
      Tensor logProbs =
          call(
              decoder,
              Map.of(
                  "hidden",
                  hiddenRows,
                  "attention_mask",
                  maskRows,
                  "decoder_input_ids",
                  Tensor.ofLongs(beams.prefixes(), rows, length)),
              "log_probs",
              deadlineNanos);
      beams.step(logProbs.floats(), logProbs.dim(1));
    }
    List<Rewrite> written = new ArrayList<>();
    for (TokenBeams.Beam text : beams.ended()) {
      if (text.score() >= minLogProb) {
        long[] ids = text.tokens().stream().skip(1).mapToLong(Long::longValue).toArray();
        written.add(new Rewrite(tokenizer.decode(ids).strip(), Origin.MODEL, "", text.score()));
      }
    }
    return List.copyOf(written);
  }

  private static Tensor repeat(Tensor row, int times) {
    long[] shape = row.shape();
    shape[0] = times;
    ByteBuffer copies = Tensor.allocate(row.type(), shape);
    for (int i = 0; i < times; i++) {
      copies.put(row.data());
    }
    return Tensor.wrap(row.type(), copies.flip(), shape);
  }

  private Tensor call(String model, Map<String, Tensor> inputs, String output, long deadlineNanos) {
    CompletableFuture<Map<String, Tensor>> call =
        runner.infer(new ModelCall(model, inputs, deadlineNanos));
    try {
      long left = Math.max(0, deadlineNanos - System.nanoTime());
      Tensor tensor = call.get(left, TimeUnit.NANOSECONDS).get(output);
      if (tensor == null || tensor.type() != DataType.FP32) {
        throw new ModelException(
            Reason.FAILED, model + ": " + output + ": " + tensor + " (expected: FP32)");
      }
      return tensor;
    } catch (TimeoutException e) {
      call.cancel(false);
      throw new ModelException(Reason.EXPIRED, model + ": not done in time", e);
    } catch (InterruptedException e) {
      call.cancel(false);
      Thread.currentThread().interrupt();
      throw new ModelException(Reason.EXPIRED, model + ": interrupted", e);
    } catch (ExecutionException e) {
      if (e.getCause() instanceof ModelException failure) {
        throw failure;
      }
      throw new ModelException(Reason.FAILED, model + ": " + e.getCause(), e);
    }
  }

  @Override
  public void close() {
    tokenizer.close();
  }
}
