package io.espalier.oip;

import com.google.protobuf.CodedInputStream;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.UnsafeByteOperations;
import io.espalier.inference.oip.v2.GRPCInferenceServiceGrpc;
import io.espalier.inference.oip.v2.ModelInferRequest;
import io.grpc.MethodDescriptor;
import io.grpc.ServerMethodDefinition;
import io.grpc.ServerServiceDefinition;
import io.grpc.ServiceDescriptor;
import io.grpc.Status;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * Inference requests whose tensors stay where they arrived: gRPC's own parser copies each of them
 * out of the message's bytes.
 */
final class AliasedRequests implements MethodDescriptor.Marshaller<ModelInferRequest> {
  /** The methods whose requests they are. */
  static final Set<String> METHODS =
      Set.of(
          GRPCInferenceServiceGrpc.getModelInferMethod().getFullMethodName(),
          GRPCInferenceServiceGrpc.getModelStreamInferMethod().getFullMethodName());

  private AliasedRequests() {}

  /** The service with its inference requests parsed so. */
  static ServerServiceDefinition of(ServerServiceDefinition service) {
    ServiceDescriptor.Builder descriptor =
        ServiceDescriptor.newBuilder(service.getServiceDescriptor().getName())
            .setSchemaDescriptor(service.getServiceDescriptor().getSchemaDescriptor());
    List<ServerMethodDefinition<?, ?>> methods = new ArrayList<>();
    for (ServerMethodDefinition<?, ?> method : service.getMethods()) {
      ServerMethodDefinition<?, ?> one =
          METHODS.contains(method.getMethodDescriptor().getFullMethodName())
              ? aliased(method)
              : method;
      descriptor.addMethod(one.getMethodDescriptor());
      methods.add(one);
    }
    ServerServiceDefinition.Builder aliased = ServerServiceDefinition.builder(descriptor.build());
    methods.forEach(aliased::addMethod);
    return aliased.build();
  }

  @SuppressWarnings("unchecked") // The two methods take these requests.
  private static <R> ServerMethodDefinition<ModelInferRequest, R> aliased(
      ServerMethodDefinition<?, R> any) {
    ServerMethodDefinition<ModelInferRequest, R> method =
        (ServerMethodDefinition<ModelInferRequest, R>) any;
    return ServerMethodDefinition.create(
        method.getMethodDescriptor().toBuilder()
            .setRequestMarshaller(new AliasedRequests())
            .build(),
        method.getServerCallHandler());
  }

  @Override
  public InputStream stream(ModelInferRequest request) {
    return request.toByteString().newInput();
  }

  @Override
  public ModelInferRequest parse(InputStream stream) {
    try {
      CodedInputStream in = UnsafeByteOperations.unsafeWrap(stream.readAllBytes()).newCodedInput();
      in.enableAliasing(true);
      ModelInferRequest request = ModelInferRequest.parser().parseFrom(in);
      in.checkLastTagWas(0);
      return request;
    } catch (InvalidProtocolBufferException e) {
      throw Status.INTERNAL.withDescription("malformed").withCause(e).asRuntimeException();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
