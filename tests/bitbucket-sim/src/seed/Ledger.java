package com.example.payments;

import java.util.HashMap;
import java.util.Map;

/** Balances in cents, by account. */
public final class Ledger {
    private final Map<String, Long> balances = new HashMap<>();

    /** Moves an amount from one account to another. */
    public void move(String from, String to, long cents) {
        balances.merge(from, -cents, Long::sum);
        balances.merge(to, cents, Long::sum);
    }

    /** The balance of an account, 0 when unknown. */
    public long balance(String account) {
        return balances.getOrDefault(account, 0L);
    }
}
