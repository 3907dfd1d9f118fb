package io.espalier.cli.cluster;

import io.espalier.server.ConfigException;
import java.net.InetAddress;
import java.net.UnknownHostException;

/**
 * Where a router logs what it shows and what users do, and how much may wait for that.
 *
 * @param log a folder, or {@code kafka://host:port/topic}; a router has its own, and {@code {host}}
 *     in it stands for the host's name; empty: nothing is logged
 * @param queue the most pages and interactions that wait for the log; more are dropped and counted
 */
public record EventSettings(String log, int queue) {
  private static final int QUEUE = 10_000;
  private static final String HOST = "{host}";

  public EventSettings {
    if (queue < 1 || queue > 10_000_000) {
      throw new IllegalArgumentException(
          "queue: %d (expected: 1..10000000 records)".formatted(queue));
    }
  }

  /** No log, and 10,000 records that may wait. */
  public static EventSettings defaults() {
    return at("");
  }

  /** A log somewhere. */
  public static EventSettings at(String log) {
    return new EventSettings(log, QUEUE);
  }

  boolean isOn() {
    return !log.isEmpty();
  }

  /** Where the log of this host is. */
  String place() {
    return log.contains(HOST) ? log.replace(HOST, host()) : log;
  }

  private static String host() {
    String given = System.getenv("HOSTNAME");
    if (given != null && !given.isBlank()) {
      return given;
    }
    try {
      return InetAddress.getLocalHost().getHostName();
    } catch (UnknownHostException e) {
      throw new ConfigException("events.log: {host}: this host has no name (expected: one)");
    }
  }

  /**
   * Refuses a log whose records could not be read after a restart.
   *
   * @param state where users' state is, and with it the keys that records are sealed with
   */
  public void check(String state) {
    if (isOn() && state.isEmpty()) {
      throw new IllegalArgumentException(
          "events.log: \"%s\" without a state (expected: one; users' keys are kept there)"
              .formatted(log));
    }
  }
}
