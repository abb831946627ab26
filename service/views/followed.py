"""The views that follow the log."""

from service.views.moments import Moments
from service.views.statistics import StatisticsView
from service.views.view import FollowingView

VIEWS: tuple[FollowingView, ...] = (Moments(), StatisticsView())
"""Every view that follows the log, in the order in which the projector advances them."""
