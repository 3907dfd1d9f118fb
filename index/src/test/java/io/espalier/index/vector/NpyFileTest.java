package io.espalier.index.vector;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NpyFileTest {
  @Test
  void read_singlePrecision_keepsValues(@TempDir Path dir) throws IOException {
    ByteBuffer data = little(16).putFloat(1.5f).putFloat(-2f).putFloat(3e-9f).putFloat(0f);

    FloatMatrix matrix = NpyFile.read(file(dir, "<f4", "False", "(2, 2)", data));

    assertThat(matrix.rows()).isEqualTo(2);
    assertThat(matrix.width()).isEqualTo(2);
    assertThat(matrix.get(0, 1)).isEqualTo(-2f);
    assertThat(matrix.get(1, 0)).isEqualTo(3e-9f);
  }

  @Test
  void read_halfPrecision_widensValues(@TempDir Path dir) throws IOException {
    ByteBuffer data = little(6);
    data.putShort(Float.floatToFloat16(0.5f)).putShort((short) 0x7C00).putShort((short) 1);

    FloatMatrix matrix = NpyFile.read(file(dir, "<f2", "False", "(1, 3)", data));

    assertThat(matrix.get(0, 0)).isEqualTo(0.5f);
    assertThat(matrix.get(0, 1)).isEqualTo(Float.POSITIVE_INFINITY);
    assertThat(matrix.get(0, 2)).isEqualTo(0x1p-24f);
  }

  @Test
  void read_oneDimension_isAColumn(@TempDir Path dir) throws IOException {
    FloatMatrix matrix =
        NpyFile.read(file(dir, "<f4", "False", "(2,)", little(8).putFloat(1).putFloat(2)));

    assertThat(matrix.rows()).isEqualTo(2);
    assertThat(matrix.width()).isEqualTo(1);
  }

  @Test
  void read_otherKinds_areRefusedByName(@TempDir Path dir) throws IOException {
    Path doubles = file(dir, "<f8", "False", "(1, 1)", little(8));
    assertThatThrownBy(() -> NpyFile.read(doubles)).hasMessageContaining("type <f8");
    Path fortran = file(dir, "<f4", "True", "(1, 1)", little(4));
    assertThatThrownBy(() -> NpyFile.read(fortran)).hasMessageContaining("C order");
    Path cube = file(dir, "<f4", "False", "(1, 1, 1)", little(4));
    assertThatThrownBy(() -> NpyFile.read(cube)).hasMessageContaining("one or two dimensions");
    Path cut = file(dir, "<f4", "False", "(2, 1)", little(4));
    assertThatThrownBy(() -> NpyFile.read(cut))
        .hasMessageContaining("4 bytes (expected: 2 x 1 <f4)");
    Path text = Files.writeString(dir.resolve("text.npy"), "not numbers at all");
    assertThatThrownBy(() -> NpyFile.read(text)).hasMessageContaining("not a NumPy file");
  }

  private static ByteBuffer little(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static Path file(Path dir, String type, String fortran, String shape, ByteBuffer data)
      throws IOException {
    String header =
        "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }".formatted(type, fortran, shape);
    header += " ".repeat(117 - header.length()) + "\n";
    ByteBuffer bytes = little(10 + header.length() + data.capacity());
    bytes.put((byte) 0x93).put("NUMPY".getBytes(StandardCharsets.US_ASCII)).put((byte) 1);
    bytes.put((byte) 0).putShort((short) header.length());
    bytes.put(header.getBytes(StandardCharsets.US_ASCII)).put(data.clear());
    Path file = Files.createTempFile(dir, "m", ".npy");
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
      channel.write(bytes.flip());
    }
    return file;
  }
}
