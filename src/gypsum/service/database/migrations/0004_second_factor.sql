-- One-time passwords as a second factor.
alter table users
    add column factor_seed bytea,         -- random; codes need the service's secret as well
    add column factor_since timestamptz,  -- null: none, or begun and not confirmed by a code
    add column factor_step bigint not null default 0;  -- of the last code: each is good once

create table recovery_codes (
    user_id uuid not null references users on delete cascade,
    hash bytea not null,  -- keyed with the service's secret; a code that was used is deleted
    primary key (user_id, hash)
);
