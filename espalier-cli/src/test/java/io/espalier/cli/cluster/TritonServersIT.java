package io.espalier.cli.cluster;

import io.espalier.inference.triton.TritonContainer;
import java.nio.file.Path;

/** Models on two real Tritons. */
class TritonServersIT extends ElsewhereContract {
  @Override
  ModelServer start(Path models) throws Exception {
    return new InContainer(TritonContainer.start(models));
  }

  private record InContainer(TritonContainer container) implements ModelServer {
    @Override
    public String target() {
      return container.target();
    }

    @Override
    public void kill() {
      container.kill();
    }

    @Override
    public void startAgain() {
      container.startAgain();
    }

    @Override
    public void close() throws Exception {
      container.close();
    }
  }
}
