package io.espalier.server;

import io.grpc.ServerMethodDefinition;
import io.grpc.ServerServiceDefinition;

/**
 * Server reflection under its older name, {@code grpc.reflection.v1alpha}, which stock tools (ghz
 * among them) still ask for. Both versions have the same bytes on the wire; grpc-java brings the
 * newer one alone.
 */
final class ReflectionV1Alpha {
  private static final String NAME = "grpc.reflection.v1alpha.ServerReflection";

  private ReflectionV1Alpha() {}

  static ServerServiceDefinition of(ServerServiceDefinition v1) {
    ServerServiceDefinition.Builder alpha = ServerServiceDefinition.builder(NAME);
    for (ServerMethodDefinition<?, ?> method : v1.getMethods()) {
      alpha.addMethod(renamed(method));
    }
    return alpha.build();
  }

  private static <Q, R> ServerMethodDefinition<Q, R> renamed(ServerMethodDefinition<Q, R> method) {
    return ServerMethodDefinition.create(
        method.getMethodDescriptor().toBuilder()
            .setFullMethodName(NAME + "/" + method.getMethodDescriptor().getBareMethodName())
            .setSchemaDescriptor(null)
            .build(),
        method.getServerCallHandler());
  }
}
