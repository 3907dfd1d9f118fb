package io.espalier.loadtest;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.inference.oip.v2.ModelInferRequest;
import java.util.List;
import org.junit.jupiter.api.Test;

class HistoryTensorsTest {
  @Test
  void request_twoItems_areTextsBehindTheirLengths() {
    ModelInferRequest request = HistoryTensors.request("recommender", List.of("B1", "é"), 50);

    assertThat(request.getModelName()).isEqualTo("recommender");
    assertThat(request.getInputs(0).getShapeList()).containsExactly(1L, 2L);
    assertThat(request.getInputs(1).getShapeList()).containsExactly(1L, 1L);
    assertThat(request.getRawInputContents(0).toByteArray())
        .containsExactly(2, 0, 0, 0, 'B', '1', 2, 0, 0, 0, 0xC3, 0xA9);
    assertThat(request.getRawInputContents(1).toByteArray()).containsExactly(50, 0, 0, 0);
  }
}
