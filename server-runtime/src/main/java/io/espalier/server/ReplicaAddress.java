package io.espalier.server;

/**
 * Where one replica of a service is.
 *
 * @param target its {@code host:port}, or another target that leads to it
 * @param name the {@code host:port} that it is listed under, which its certificate bears
 */
public record ReplicaAddress(String target, String name) {}
