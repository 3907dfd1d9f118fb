package io.espalier.oip;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import io.espalier.inference.oip.v2.GRPCInferenceServiceGrpc;
import io.espalier.inference.oip.v2.InferTensorContents;
import io.espalier.inference.oip.v2.ModelInferRequest;
import io.espalier.inference.oip.v2.ModelInferRequest.InferInputTensor;
import io.grpc.CallOptions;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ThreadLocalRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Requests with random bytes changed are answered or refused; none of them finds a defect. */
class MutatedRequestsTest {
  private static final int REQUESTS = Integer.getInteger("espalier.fuzz.requests", 10_000);

  private static final MethodDescriptor.Marshaller<byte[]> BYTES =
      new MethodDescriptor.Marshaller<>() {
        @Override
        public InputStream stream(byte[] value) {
          return new ByteArrayInputStream(value);
        }

        @Override
        public byte[] parse(InputStream stream) {
          try {
            return stream.readAllBytes();
          } catch (IOException e) {
            throw new UncheckedIOException(e);
          }
        }
      };

  private static final MethodDescriptor<byte[], byte[]> INFER =
      GRPCInferenceServiceGrpc.getModelInferMethod().toBuilder(BYTES, BYTES).build();

  @Test
  void modelInfer_mutatedBytes_neverFindADefect(@TempDir Path models) throws IOException {
    long seed = ThreadLocalRandom.current().nextLong();
    System.out.println("MutatedRequestsTest seed: " + seed);
    Random random = new Random(seed);
    List<byte[]> sound = List.of(raw().toByteArray(), typed().toByteArray(), text().toByteArray());
    Map<Status.Code, Integer> codes = new EnumMap<>(Status.Code.class);
    try (ServedEngine served = CaseModels.serve(models)) {
      for (int i = 0; i < REQUESTS; i++) {
        byte[] request = mutated(sound.get(i % sound.size()), random);
        Status.Code code = Status.Code.OK;
        try {
          byte[] unused =
              ClientCalls.blockingUnaryCall(served.channel(), INFER, CallOptions.DEFAULT, request);
        } catch (StatusRuntimeException e) {
          code = e.getStatus().getCode();
          assertThat(String.valueOf(e.getStatus().getDescription()))
              .as("seed %d, request %d", seed, i)
              .doesNotContain("internal error");
        }
        codes.merge(code, 1, Integer::sum);
      }
      assertThat(served.unmappedExceptions()).as("seed %d", seed).isZero();
      assertThat(served.engine().inFlight()).isZero();
    }
    System.out.println("MutatedRequestsTest: " + codes);
    assertThat(codes.keySet())
        .as("seed %d", seed)
        .contains(Status.Code.OK, Status.Code.INVALID_ARGUMENT, Status.Code.NOT_FOUND)
        .doesNotContain(Status.Code.UNKNOWN);
  }

  private static byte[] mutated(byte[] sound, Random random) {
    byte[] request = sound.clone();
    for (int i = random.nextInt(4); i >= 0; i--) {
      request[random.nextInt(request.length)] = (byte) random.nextInt(256);
    }
    return request;
  }

  private static ModelInferRequest raw() {
    return ModelInferRequest.newBuilder()
        .setModelName("pair")
        .addInputs(
            InferInputTensor.newBuilder().setName("a").setDatatype("FP32").addShape(1).addShape(2))
        .addInputs(
            InferInputTensor.newBuilder().setName("b").setDatatype("FP32").addShape(1).addShape(2))
        .addRawInputContents(ByteString.copyFrom(new byte[8]))
        .addRawInputContents(ByteString.copyFrom(new byte[8]))
        .build();
  }

  private static ModelInferRequest typed() {
    return ModelInferRequest.newBuilder()
        .setModelName("affine")
        .setModelVersion("1")
        .setId("typed")
        .addInputs(
            InferInputTensor.newBuilder()
                .setName("x")
                .setDatatype("FP32")
                .addShape(1)
                .addShape(3)
                .setContents(
                    InferTensorContents.newBuilder().addAllFp32Contents(List.of(1f, 2f, 3f))))
        .build();
  }

  private static ModelInferRequest text() {
    return ModelInferRequest.newBuilder()
        .setModelName("text")
        .addInputs(
            InferInputTensor.newBuilder()
                .setName("text")
                .setDatatype("BYTES")
                .addShape(2)
                .addShape(1)
                .setContents(
                    InferTensorContents.newBuilder()
                        .addBytesContents(ByteString.copyFromUtf8("search"))
                        .addBytesContents(ByteString.EMPTY)))
        .build();
  }
}
