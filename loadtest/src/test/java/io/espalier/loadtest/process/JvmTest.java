package io.espalier.loadtest.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import org.junit.jupiter.api.Test;

class JvmTest {
  private static final Jvm THIS = new Jvm(ProcessHandle.current().pid());

  @Test
  void clock_ofThisJvm_isBetweenBeforeAndAfter() throws Exception {
    long before = System.currentTimeMillis();
    long clock = THIS.clock();
    assertThat(clock).isBetween(before, System.currentTimeMillis());
  }

  @Test
  void collecting_afterACollection_isMore() throws Exception {
    double before = THIS.collecting();
    for (int i = 0; i < 20; i++) {
      System.gc();
    }
    assertThat(THIS.collecting()).isGreaterThan(before);
  }

  @Test
  void clockAndCollecting_ofNoJvm_sayWhatWasAsked() {
    // No process has so high an id.
    Jvm nobody = new Jvm(1L << 30);
    assertThatThrownBy(nobody::clock)
        .isInstanceOf(IOException.class)
        .hasMessageContaining("jcmd 1073741824 VM.uptime");
    assertThatThrownBy(nobody::collecting)
        .isInstanceOf(IOException.class)
        .hasMessageContaining("jstat -gcutil 1073741824");
  }
}
